//! Which words of two texts are the same word.

use std::collections::{HashMap, HashSet};

use super::{
    lexicon::Mark,
    reading::{Reading, Word},
};

/// How many acronyms of a text are looked for in the other, so that the time stays linear.
const ACRONYMS: usize = 16;

/// For each word of either text, whether the other has it too.
#[derive(Debug)]
pub(super) struct Pairing {
    pub(super) a: Vec<bool>,
    pub(super) b: Vec<bool>,
    /// The words that an acronym in the other text stands for.
    pub(super) a_short: Vec<bool>,
    pub(super) b_short: Vec<bool>,
}

impl Pairing {
    pub(super) fn new(a: &Reading<'_>, b: &Reading<'_>) -> Self {
        let (a_keys, b_keys) = (keys(&a.words), keys(&b.words));
        let (mut in_a, mut in_b) = (found(&a_keys, &b_keys), found(&b_keys, &a_keys));
        compounds(&a.words, &mut in_a, &b.words, &mut in_b);
        compounds(&b.words, &mut in_b, &a.words, &mut in_a);
        let b_short = acronyms(&a.words, &mut in_a, &b.words);
        let a_short = acronyms(&b.words, &mut in_b, &a.words);
        in_a.iter_mut().zip(&a_short).for_each(|(found, short)| *found |= short);
        in_b.iter_mut().zip(&b_short).for_each(|(found, short)| *found |= short);
        Self { a: in_a, b: in_b, a_short, b_short }
    }

    /// The words of `reading` that the other text lacks.
    pub(super) fn lacking<'r>(
        words: &'r [Word],
        is_paired: &'r [bool],
    ) -> impl Iterator<Item = (usize, &'r Word)> {
        words.iter().enumerate().filter(|(at, _)| !is_paired[*at])
    }
}

/// What makes two words the same: the number, the unit, the stem, or of a small word its form.
pub(super) fn key(word: &Word) -> String {
    for mark in &word.marks {
        match mark {
            Mark::Number(number) => return number.to_string(),
            Mark::Unit(unit) => return format!("#{unit}"),
            _ => {}
        }
    }
    if word.is_content { word.stem.clone() } else { format!("'{}", word.form) }
}

fn keys(words: &[Word]) -> Vec<String> {
    words.iter().map(key).collect()
}

fn found(keys: &[String], others: &[String]) -> Vec<bool> {
    let others: HashSet<_> = others.iter().collect();
    keys.iter().map(|key| others.contains(key)).collect()
}

/// `wi-fi` is `wifi`, and `set up` is `setup`.
fn compounds(words: &[Word], is_paired: &mut [bool], others: &[Word], are_paired: &mut [bool]) {
    let whole: HashMap<&str, usize> = others.iter().enumerate().map(|(at, word)| (&*word.form, at)).collect();
    for (at, pair) in words.windows(2).enumerate() {
        let joined = [&*pair[0].form, &*pair[1].form].concat();
        if let Some(other) = whole.get(&*joined) {
            is_paired[at] = true;
            is_paired[at + 1] = true;
            are_paired[*other] = true;
        }
    }
}

/// `2FA` is `two-factor authentication`: a name whose letters begin words that follow each other.
fn acronyms(words: &[Word], is_paired: &mut [bool], others: &[Word]) -> Vec<bool> {
    let mut shortened = vec![false; others.len()];
    let short = |word: &Word| word.is_name && (2..=6).contains(&word.form.len()) && word.form.is_ascii();
    let all: Vec<usize> = (0..others.len()).collect();
    let content: Vec<usize> = (0..others.len()).filter(|at| others[*at].is_content).collect();
    let missing: Vec<_> =
        (0..words.len()).filter(|at| !is_paired[*at] && short(&words[*at])).take(ACRONYMS).collect();
    for at in missing {
        for run in [&all, &content] {
            let initials: Vec<char> = run.iter().map(|at| initial(&others[*at])).collect();
            let letters: Vec<char> = words[at].form.chars().collect();
            if let Some(start) = initials.windows(letters.len()).position(|window| *window == *letters) {
                is_paired[at] = true;
                run[start..start + letters.len()].iter().for_each(|at| shortened[*at] = true);
            }
        }
    }
    shortened
}

fn initial(word: &Word) -> char {
    let number = word.marks.iter().find_map(|mark| match mark {
        Mark::Number(number) => char::from_digit(*number, 10),
        _ => None,
    });
    number.or_else(|| word.form.chars().next()).unwrap_or(' ')
}
