//! What is asked about the same things: where, when, who or why; of whose; of when; whether one may or must.

use std::collections::BTreeSet;

use super::super::{Refused, reading::Word};

/// Words of asking that ask for different things. `what`, `which` and `how` may ask for any.
const QUESTIONS: [&[&str]; 4] = [&["where"], &["when"], &["who", "whom"], &["why"]];
/// Whose a thing is. What is `ours` is mine too.
const OWNERS: [&[&str]; 5] =
    [&["my", "mine", "our", "ours"], &["your", "yours"], &["his"], &["her", "hers"], &["their", "theirs"]];
/// Whom it is about, if not who asks or is asked.
const OTHERS: [&[&str]; 2] = [&["he", "him", "his"], &["she", "her", "hers"]];
const PAST: [&str; 4] = ["was", "were", "did", "had"];
const PRESENT: [&str; 8] = ["is", "are", "am", "do", "does", "will", "shall", "going"];
const MAY: [&str; 4] = ["can", "may", "could", "might"];
const MUST: [&str; 5] = ["must", "need", "needs", "should", "ought"];

/// Questions that exclude each other are different ones whatever they are about; the rest matters where all words of content
/// are shared, for else there is more to compare than these.
pub(super) fn check(a: &[Word], b: &[Word], has_same_content: bool) -> Result<(), Refused> {
    if are_apart(a, b, &QUESTIONS) {
        return Err(Refused::by("question"));
    }
    if are_apart(a, b, &OWNERS) {
        return Err(Refused::by("owner"));
    }
    if !has_same_content {
        return Ok(());
    }
    if questions(a).is_disjoint(&questions(b)) && !questions(a).is_empty() && !questions(b).is_empty() {
        return Err(Refused::by("question"));
    }
    let differs = |one: &[&str], other: &[&str]| {
        (is_only(a, one, other) && is_only(b, other, one))
            || (is_only(b, one, other) && is_only(a, other, one))
    };
    let others = |words: &[Word]| OTHERS.map(|forms| has(words, forms));
    if others(a) != others(b) {
        return Err(Refused::by("owner"));
    }
    if differs(&PAST, &PRESENT) {
        return Err(Refused::by("tense"));
    }
    let asks_how = |words: &[Word]| has(words, &["how", "what", "where", "when", "who", "which", "why"]);
    if differs(&MUST, &MAY) && !asks_how(a) && !asks_how(b) {
        return Err(Refused::by("duty"));
    }
    if differs(&["and"], &["or"]) {
        return Err(Refused::by("choice"));
    }
    Ok(())
}

/// What is asked for, `how much` and the like apart from `how`.
fn questions(words: &[Word]) -> BTreeSet<&str> {
    let after = |at: usize| words.get(at + 1).map_or("", |word| &*word.form);
    let ask = |(at, word): (usize, &'_ Word)| match &*word.form {
        "how" if matches!(after(at), "much" | "many") => Some("how much"),
        "how" if matches!(after(at), "long" | "old" | "far" | "often" | "big" | "soon" | "come") => None,
        "how" => Some("how"),
        "why" => Some("why"),
        "when" => Some("when"),
        "where" => Some("where"),
        "who" | "whom" => Some("who"),
        _ => None,
    };
    words.iter().enumerate().filter_map(ask).collect()
}

fn has(words: &[Word], forms: &[&str]) -> bool {
    words.iter().any(|word| forms.contains(&&*word.form))
}

fn is_only(words: &[Word], forms: &[&str], others: &[&str]) -> bool {
    has(words, forms) && !has(words, others)
}

/// Whether both have words of these groups, and none of the same group.
fn are_apart(a: &[Word], b: &[Word], groups: &[&[&str]]) -> bool {
    let in_a: Vec<bool> = groups.iter().map(|forms| has(a, forms)).collect();
    let in_b: Vec<bool> = groups.iter().map(|forms| has(b, forms)).collect();
    let shares = in_a.iter().zip(&in_b).any(|(a, b)| *a && *b);
    !shares && in_a.contains(&true) && in_b.contains(&true)
}
