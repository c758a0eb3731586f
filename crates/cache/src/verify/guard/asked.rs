//! What is asked about the same things: where, when, who or why; of whose; of when; whether one may or must.

use std::collections::BTreeSet;

use super::super::{Refused, reading::Word};

/// Words of asking that ask for different things. `what`, `which` and `how` may ask for any.
const QUESTIONS: [&[&str]; 5] = [&["where"], &["when"], &["who", "whom"], &["whose"], &["why"]];
const ASKING: [&str; 9] = ["where", "when", "who", "whom", "whose", "why", "how", "what", "which"];
/// What begins a question to which the answer is yes or no.
const YES_OR_NO: [&str; 18] = [
    "is", "are", "am", "was", "were", "do", "does", "did", "has", "have", "had", "can", "could", "will",
    "would", "should", "may", "must",
];
/// What `what` asks for where it stands for another word of asking.
const ASKED_BY_NAME: [&str; 20] = [
    "time", "date", "day", "hour", "year", "month", "place", "city", "country", "address", "location",
    "site", "person", "name", "reason", "cause", "purpose", "way", "method", "spot",
];
const MEASURES: [&str; 22] = [
    "long", "old", "far", "often", "big", "soon", "tall", "high", "deep", "wide", "heavy", "fast", "late",
    "early", "large", "hot", "cold", "strong", "thick", "close", "quickly", "small",
];
/// Whose a thing is. What is `ours` is mine too.
const OWNERS: [&[&str]; 5] =
    [&["my", "mine", "our", "ours"], &["your", "yours"], &["his"], &["her", "hers"], &["their", "theirs"]];
/// Whom it is about, if not who asks or is asked.
const OTHERS: [&[&str]; 2] = [&["he", "him", "his"], &["she", "her", "hers"]];
const PAST: [&str; 4] = ["was", "were", "did", "had"];
const FUTURE: [&str; 3] = ["will", "shall", "gonna"];
const PRESENT: [&str; 8] = ["is", "are", "am", "do", "does", "will", "shall", "going"];
const MAY: [&str; 4] = ["can", "may", "could", "might"];
const MUST: [&str; 5] = ["must", "need", "needs", "should", "ought"];

/// Questions that exclude each other are different ones whatever they are about; the rest matters where all words of content
/// are shared, for else there is more to compare than these.
pub(super) fn check(a: &[Word], b: &[Word], has_same_content: bool) -> Result<(), Refused> {
    if are_apart(a, b, &QUESTIONS) {
        return Err(Refused::by("question"));
    }
    if measures_otherwise(a, b) {
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
    if asks_otherwise(a, b) || asks_otherwise(b, a) {
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
    if differs(&PAST, &PRESENT) || differs(&["been"], &FUTURE) || is_later(a, b) || is_later(b, a) {
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

/// Whether one asks for what is, and the other where, when or why; or one for a reason or a way, and the other whether.
fn asks_otherwise(a: &[Word], b: &[Word]) -> bool {
    let strict = QUESTIONS.concat();
    let what = |words: &[Word]| {
        words.windows(2).any(|pair| pair[0].form == "what" && YES_OR_NO.contains(&&*pair[1].form))
            && !words.iter().any(|word| ASKED_BY_NAME.contains(&&*word.form))
    };
    let begins =
        |words: &[Word], forms: &[&str]| words.first().is_some_and(|word| forms.contains(&&*word.form));
    let counts = |words: &[Word]| {
        let is_count = |three: &&[Word]| three[0].form == "how" && matches!(&*three[1].form, "many" | "much");
        words.windows(3).find(is_count).filter(|three| three[2].is_content).map(|three| three[2].stem.clone())
    };
    let names = |words: &[Word], stem: &str| {
        words.windows(2).any(|pair| matches!(&*pair[0].form, "what" | "which") && pair[1].stem == stem)
    };
    what(a) && has(b, &strict) && !has(b, &["what", "which", "how"]) && !has(a, &strict)
        || begins(a, &YES_OR_NO) && !has(a, &ASKING) && begins(b, &["why", "when", "where", "who", "how"])
        || has(a, &["why"]) && !has(b, &["why"]) && has(b, &["what", "which"])
        || counts(a).is_some_and(|stem| names(b, &stem) && !has(b, &["how"]))
}

/// Whether both ask how much of something, and of what differs: how tall and how old.
fn measures_otherwise(a: &[Word], b: &[Word]) -> bool {
    let measure = |words: &[Word]| -> BTreeSet<String> {
        let pairs = words.windows(2);
        let measures = pairs.filter(|pair| pair[0].form == "how" && MEASURES.contains(&&*pair[1].form));
        measures.map(|pair| pair[1].form.clone()).collect()
    };
    let (a, b) = (measure(a), measure(b));
    let are_all = |forms: &[&str]| a.iter().chain(&b).all(|form| forms.contains(&&**form));
    let is_same = are_all(&["big", "large", "small"]) || are_all(&["fast", "quickly", "soon"]);
    !a.is_empty() && !b.is_empty() && a.is_disjoint(&b) && !is_same
}

/// Whether one says what will be, and the other what is at this moment.
fn is_later(a: &[Word], b: &[Word]) -> bool {
    let is_now = |words: &[Word]| {
        has(words, &["is", "are", "am"])
            && words.iter().any(|word| word.is_content && word.form.ends_with("ing") && word.form.len() > 5)
    };
    let has_date = |words: &[Word]| words.iter().any(|word| word.is(super::super::lexicon::Mark::Date));
    has(a, &FUTURE) && !has(b, &FUTURE) && is_now(b) && !is_now(a) && !has(b, &["going"]) && !has_date(a)
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
        "whose" => Some("whose"),
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
