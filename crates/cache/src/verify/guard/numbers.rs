//! Numbers, what they count, and in which order.

use std::collections::BTreeSet;

use super::super::{
    Refused,
    lexicon::{LEXICON, Mark},
    reading::Word,
};

#[derive(Debug)]
struct Amount<'w> {
    value: String,
    /// `one` in a word may be no number at all.
    is_loose: bool,
    unit: Option<usize>,
    /// The word that tells what it is an amount of.
    of: &'w str,
}

/// Of words, and which of them are what an acronym stands for: a number in such a one is part of a name.
pub(super) fn check(a: (&[Word], &[bool]), b: (&[Word], &[bool])) -> Result<(), Refused> {
    let (a, b) = (amounts(a), amounts(b));
    let has =
        |amounts: &[Amount<'_>]| amounts.iter().map(|amount| amount.value.clone()).collect::<BTreeSet<_>>();
    let (in_a, in_b) = (has(&a), has(&b));
    let lacks = |amounts: &[Amount<'_>], others: &BTreeSet<String>| {
        amounts.iter().any(|amount| !amount.is_loose && !others.contains(&amount.value))
    };
    if lacks(&a, &in_b) || lacks(&b, &in_a) {
        return Err(Refused::by("number"));
    }
    if units(&a, &in_b) != units(&b, &in_a) {
        return Err(Refused::by("unit"));
    }
    let order = |amounts: &[Amount<'_>], others: &BTreeSet<String>| {
        let strict = amounts.iter().filter(|amount| others.contains(&amount.value));
        let mut order: Vec<_> = strict.map(|amount| amount.value.clone()).collect();
        order.dedup();
        order
    };
    let bound = |amounts: &[Amount<'_>]| {
        amounts.iter().map(|amount| (amount.value.clone(), amount.of.to_owned())).collect::<BTreeSet<_>>()
    };
    if order(&a, &in_b) != order(&b, &in_a) && bound(&a) != bound(&b) {
        return Err(Refused::by("number"));
    }
    Ok(())
}

/// Whether each number is there as often as in the other text, which says nothing else: `2 plus 2` and `2 plus 2 plus 2`.
pub(super) fn check_counts(a: (&[Word], &[bool]), b: (&[Word], &[bool])) -> Result<(), Refused> {
    let [a, b] = [a, b].map(|words| {
        let strict = amounts(words).into_iter().filter(|amount| !amount.is_loose);
        let mut values: Vec<_> = strict.map(|amount| amount.value).collect();
        values.sort_unstable();
        values
    });
    if a == b { Ok(()) } else { Err(Refused::by("number")) }
}

/// What has a unit, with it; years are left out, since an age may be said without them.
fn units(amounts: &[Amount<'_>], others: &BTreeSet<String>) -> BTreeSet<(String, usize)> {
    let shared = amounts.iter().filter(|amount| others.contains(&amount.value));
    let year = LEXICON.unit("year");
    shared
        .filter(|amount| amount.unit != year)
        .filter_map(|amount| Some((amount.value.clone(), amount.unit?)))
        .collect()
}

fn amounts<'w>((words, is_short): (&'w [Word], &[bool])) -> Vec<Amount<'w>> {
    let mut amounts = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let start = at;
        let Some(mut number) = value(&words[at]).filter(|_| !is_short[at]) else {
            at += 1;
            continue;
        };
        if is_part(words, at) {
            number.insert(0, '/');
        }
        let is_loose = words[at].form == "one";
        at += 1;
        // `twenty-five`, `two hundred thousand`.
        let next = words.get(at).and_then(spelled);
        if let (Some(tens @ 20..=90), Some(ones @ 1..=9)) = (spelled(&words[start]), next) {
            number = (tens + ones).to_string();
            at += 1;
        }
        while let Some(times) = words.get(at).and_then(magnitude) {
            let Ok(before) = number.parse::<f64>() else { break };
            number = canonical(&(before * times).to_string());
            at += 1;
        }
        let unit_after = words.get(at).and_then(unit);
        let before = start.checked_sub(1).and_then(|before| words.get(before));
        let unit = unit_after.or_else(|| before.filter(|word| is_currency(word)).and_then(unit));
        let after = words.get(at + usize::from(unit_after.is_some()));
        let of = after.filter(|word| word.is_content && value(word).is_none()).or_else(|| {
            words[..start].iter().rev().take(3).find(|word| !matches!(&*word.form, "the" | "a" | "an"))
        });
        amounts.push(Amount { value: number, is_loose, unit, of: of.map_or("", |word| &*word.stem) });
    }
    amounts
}

fn value(word: &Word) -> Option<String> {
    if word.is_digits() && word.form.chars().all(|char| char.is_ascii_digit() || matches!(char, '.' | ',')) {
        return Some(canonical(&word.form));
    }
    // `A hundred`; `k` and `m` count what is before them.
    let alone = magnitude(word).filter(|_| word.form.len() > 3).map(|times| times.to_string());
    spelled(word).map(|number| number.to_string()).or(alone)
}

/// A `third of` something is a part of it.
fn is_part(words: &[Word], at: usize) -> bool {
    let is = |at: Option<usize>, forms: &[&str]| {
        at.and_then(|at| words.get(at)).is_some_and(|word| forms.contains(&&*word.form))
    };
    let is_ordinal = words[at].form.ends_with("th") || words[at].form == "third";
    is_ordinal && is(at.checked_sub(1), &["a", "one"]) && is(Some(at + 1), &["of"])
}

fn spelled(word: &Word) -> Option<u32> {
    word.marks.iter().find_map(|mark| match mark {
        Mark::Number(number) => Some(*number),
        _ => None,
    })
}

fn magnitude(word: &Word) -> Option<f64> {
    word.marks.iter().find_map(|mark| match mark {
        Mark::Magnitude(times) => Some(*times),
        _ => None,
    })
}

fn unit(word: &Word) -> Option<usize> {
    word.marks.iter().find_map(|mark| match mark {
        Mark::Unit(unit) => Some(*unit),
        _ => None,
    })
}

fn is_currency(word: &Word) -> bool {
    matches!(&*word.form, "£" | "$" | "€" | "¥" | "₹" | "gbp" | "usd" | "eur" | "jpy" | "inr")
}

/// Digits without the zeros that say nothing. Two points or more are a version or an address: as it is. So is a point with more
/// than zeros behind it, for `3.10` may be a version, and more than a leading zero: those are of a code.
fn canonical(digits: &str) -> String {
    if digits.matches('.').count() > 1 || digits.starts_with("00") {
        return digits.to_owned();
    }
    let digits = digits
        .split_once('.')
        .filter(|(_, fraction)| fraction.bytes().all(|digit| digit == b'0'))
        .map_or(digits, |(whole, _)| whole);
    let digits = digits.trim_start_matches('0');
    match digits.as_bytes().first() {
        None => "0".to_owned(),
        Some(b'.') => format!("0{digits}"),
        Some(_) => digits.to_owned(),
    }
}
