//! What two texts say outright, word for word, and whether one contradicts the other.

mod asked;
mod numbers;
mod opposites;
mod order;
mod roles;

use std::collections::BTreeSet;

use super::{
    Refused,
    lexicon::Mark,
    pairing::{Pairing, key},
    reading::{Reading, Word},
};

/// Whether nothing that is said outright differs: numbers, units, dates, negation, opposites, kinds of things, scope, names,
/// code, quotations, and who does what to whom. The order of the two texts makes no difference.
///
/// That there is no such difference does not make the texts mean the same. The rules about words know English; of other
/// languages every word has to be the same.
///
/// # Errors
///
/// The rule that found a difference.
pub fn check(question: &str, kept: &str) -> Result<(), Refused> {
    let (question, kept) = (Reading::new(question), Reading::new(kept));
    let pairing = Pairing::new(&question, &kept);
    check_read(&question, &kept, &pairing)
}

pub(super) fn check_read(a: &Reading<'_>, b: &Reading<'_>, pairing: &Pairing) -> Result<(), Refused> {
    let differ = |rule, is_different| if is_different { Err(Refused::by(rule)) } else { Ok(()) };
    differ("code", a.literals.code != b.literals.code)?;
    differ("quote", a.literals.quotes != b.literals.quotes)?;
    differ("sign", a.literals.signs != b.literals.signs)?;
    numbers::check((&a.words, &pairing.a_short), (&b.words, &pairing.b_short))?;
    if !(a.is_english && b.is_english) {
        let is_same = forms(&a.words) == forms(&b.words) && a.letters().eq(b.letters());
        return differ("language", !is_same);
    }
    differ("date", dates(&a.words) != dates(&b.words))?;
    differ("negation", denials(&a.words) != denials(&b.words))?;
    opposites::check(a, b, pairing)?;
    differ("scope", marked(&a.words, Mark::Scope) != marked(&b.words, Mark::Scope))?;
    differ("name", has_name(&a.words, &pairing.a) || has_name(&b.words, &pairing.b))?;
    differ("name", has_accent(&a.words, &pairing.a) && has_accent(&b.words, &pairing.b))?;
    order::check(&a.words, &b.words)?;
    let lacks = |words: &[Word], is_paired: &[bool]| {
        Pairing::lacking(words, is_paired).any(|(_, word)| word.is_content)
    };
    let has_same_content = !lacks(&a.words, &pairing.a) && !lacks(&b.words, &pairing.b);
    if has_same_content {
        numbers::check_counts((&a.words, &pairing.a_short), (&b.words, &pairing.b_short))?;
    }
    roles::check(&a.words, &b.words, has_same_content)?;
    asked::check(&a.words, &b.words, has_same_content)
}

/// The words as they are written, in their order.
fn forms(words: &[Word]) -> Vec<&str> {
    words.iter().map(|word| &*word.form).collect()
}

fn marked(words: &[Word], mark: Mark) -> BTreeSet<&str> {
    words.iter().filter(|word| word.is(mark)).map(|word| &*word.stem).collect()
}

/// Days and times by name. `may` is a month beside a number, or where it is written as a name.
fn dates(words: &[Word]) -> BTreeSet<&str> {
    let mut dates = marked(words, Mark::Date);
    for (at, word) in words.iter().enumerate() {
        let is_beside = |at: Option<usize>| at.and_then(|at| words.get(at)).is_some_and(Word::is_digits);
        let is_month = matches!(&*word.form, "may" | "march");
        if is_month && (word.is_name || is_beside(at.checked_sub(1)) || is_beside(Some(at + 1))) {
            dates.insert(&word.form);
        }
    }
    dates
}

/// How often a text says no.
fn denials(words: &[Word]) -> usize {
    words.iter().filter(|word| word.is(Mark::Negator) || word.is(Mark::Denial)).count()
}

/// Whether there is a name that the other text lacks.
fn has_name(words: &[Word], is_paired: &[bool]) -> bool {
    Pairing::lacking(words, is_paired).any(|(_, word)| word.is_name && word.is_content)
}

/// Whether there is a word with letters that embedders do not know from others, and that the other text lacks.
fn has_accent(words: &[Word], is_paired: &[bool]) -> bool {
    Pairing::lacking(words, is_paired).any(|(_, word)| !word.form.is_ascii())
}

/// The words that carry content, by what makes them the same.
fn contents(words: &[Word]) -> impl Iterator<Item = String> {
    words.iter().filter(|word| word.is_content).map(key)
}
