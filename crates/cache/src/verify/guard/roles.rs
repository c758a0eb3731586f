//! Who does it, to whom, and by what small word a thing hangs on the rest, when the words are the same.

use std::collections::{BTreeSet, HashMap};

use super::{
    super::{Refused, lexicon::Mark, reading::Word},
    contents, key,
};

const DO: [&str; 3] = ["do", "does", "did"];
const BE: [&str; 6] = ["is", "are", "was", "were", "been", "being"];
const AUXILIARIES: [&str; 22] = [
    "is", "are", "am", "was", "were", "be", "been", "being", "do", "does", "did", "have", "has", "had",
    "can", "could", "will", "would", "shall", "should", "may", "might",
];
const SUBJECTS: [&str; 5] = ["i", "we", "he", "she", "they"];
const OBJECTS: [&str; 5] = ["me", "us", "him", "her", "them"];
/// What is before a thing, and cannot stand for each other there.
const APART: [(&str, &str); 11] = [
    ("by", "about"),
    ("by", "after"),
    ("by", "before"),
    ("by", "until"),
    ("by", "to"),
    ("by", "for"),
    ("from", "to"),
    ("from", "for"),
    ("from", "about"),
    ("past", "to"),
    ("after", "to"),
];
/// Of these, the light ones that many do without, one is not another.
const MAKE: [&str; 3] = ["make", "made", "making"];
const GET: [&str; 6] = ["get", "got", "getting", "go", "going", "have"];
const NEED: [&str; 2] = ["need", "needs"];
const LIKE: [&str; 3] = ["like", "likes", "liked"];

pub(super) fn check(a: &[Word], b: &[Word], has_same_content: bool) -> Result<(), Refused> {
    let differ = |rule, is_different| if is_different { Err(Refused::by(rule)) } else { Ok(()) };
    differ("scope", compares_otherwise(a, b) || compares_otherwise(b, a))?;
    differ("order", hangs_apart(a, b) || is_turned(a, b) || is_turned(b, a))?;
    if !has_same_content {
        return Ok(());
    }
    differ("order", asks_for_other(a, b) || asks_for_other(b, a))?;
    differ("order", is_mirrored(a, b) || is_mirrored(b, a))?;
    differ("negation", denies_other(a, b))?;
    differ("scope", has(a, &["than"]) != has(b, &["than"]))?;
    let light = |one: &[&str], other: &[&str]| {
        is_only(a, one, other) && is_only(b, other, one) || is_only(b, one, other) && is_only(a, other, one)
    };
    differ("kind", light(&MAKE, &GET) || (light(&NEED, &LIKE) && !has(a, &["would"]) && !has(b, &["would"])))
}

/// `As big as` is not `bigger than`.
fn compares_otherwise(as_much: &[Word], more: &[Word]) -> bool {
    let equals =
        |words: &[Word]| words.windows(3).any(|three| three[0].form == "as" && three[2].form == "as");
    equals(as_much) && !equals(more) && has(more, &["than"]) && !has(as_much, &["than"])
}

/// Whether a thing stands behind words that cannot stand for each other: a book `by` somebody, and `about`.
fn hangs_apart(a: &[Word], b: &[Word]) -> bool {
    let (in_a, in_b) = (hangs(a), hangs(b));
    in_a.iter().any(|(thing, words)| {
        let Some(others) = in_b.get(thing) else { return false };
        words.is_disjoint(others)
            && words.iter().any(|word| {
                others.iter().any(|other| APART.contains(&(word, other)) || APART.contains(&(other, word)))
            })
    })
}

/// The last small word of place, time or cause before each thing.
fn hangs(words: &[Word]) -> HashMap<String, BTreeSet<&str>> {
    let mut things: HashMap<_, BTreeSet<_>> = HashMap::new();
    let mut last = None;
    for word in words {
        match &*word.form {
            form @ ("by" | "about" | "after" | "before" | "until" | "from" | "to" | "for" | "past") => {
                last = Some(form);
            }
            "till" => last = Some("until"),
            _ if word.is_content => {
                things.entry(key(word)).or_default().extend(last.take());
            }
            "in" | "on" | "at" | "with" | "of" => last = None,
            _ => {}
        }
    }
    things.retain(|_, words| !words.is_empty());
    things
}

/// `Was a hit by b` and `did a hit b`: what one begins with is done to, and in the other does.
fn is_turned(passive: &[Word], active: &[Word]) -> bool {
    if !has(passive, &BE) || has(active, &BE) || has(active, &["by"]) {
        return false;
    }
    let Some(by) = passive.iter().position(|word| word.form == "by") else { return false };
    let first = passive[..by].iter().find(|word| word.is_content);
    let agent = passive[by..].iter().find(|word| word.is_content);
    let (Some(first), Some(agent)) = (first, agent) else { return false };
    let place = |of: &Word| active.iter().position(|word| word.is_content && key(word) == key(of));
    matches!((place(first), place(agent)), (Some(first), Some(agent)) if first < agent)
}

/// `Who did a beat` and `who beat a`.
fn asks_for_other(did: &[Word], does: &[Word]) -> bool {
    let asks = |words| has(words, &["who", "whom", "what", "which"]);
    asks(did) && asks(does) && has(did, &DO) && !has(does, &AUXILIARIES) && !contents(did).eq(contents(does))
}

/// `I owe him` and `he owes me`, where nobody else does anything.
fn is_mirrored(a: &[Word], b: &[Word]) -> bool {
    let asks_other = |words| has(words, &["you", "your", "us"]);
    SUBJECTS.iter().zip(OBJECTS).any(|(subject, object)| {
        is_only(a, &[subject], &[object])
            && is_only(b, &[object], &[subject])
            && !asks_other(a)
            && !asks_other(b)
    })
}

/// Of two clauses, one denies the first and the other the second.
fn denies_other(a: &[Word], b: &[Word]) -> bool {
    let clauses = |words: &[Word]| words.iter().filter(|word| AUXILIARIES.contains(&&*word.form)).count();
    let around = |words: &[Word]| {
        let at = words.iter().position(|word| word.is(Mark::Negator))?;
        let content = |word: &&Word| word.is_content;
        Some((words[..at].iter().rfind(content).map(key), words[at..].iter().find(content).map(key)))
    };
    let (Some(in_a), Some(in_b)) = (around(a), around(b)) else { return false };
    clauses(a) > 1 && clauses(b) > 1 && in_a.0 != in_b.0 && in_a.1 != in_b.1
}

fn has(words: &[Word], forms: &[&str]) -> bool {
    words.iter().any(|word| forms.contains(&&*word.form))
}

fn is_only(words: &[Word], forms: &[&str], others: &[&str]) -> bool {
    has(words, forms) && !has(words, others)
}
