//! Whether the words that two texts do not share mean the same where they stand.
//!
//! An embedder's state of a token says what it means in its place. That of a word which the other text lacks is compared
//! with those of the words that the first text lacks, and the best counts: late interaction, as in ColBERT (Khattab and
//! Zaharia, 2020), of the words alone that differ. Words that are shared are the same, whatever their states: of those it is
//! the [guard](super::guard) that sees what they do. Texts are as unlike as the word is that fits worst.

use dashpot_core::{Tokens, cosine};

use super::{
    pairing::Pairing,
    reading::{Reading, Word},
    typo::is_typo,
};

/// Of more words than these that are not shared nothing is compared, so that the time stays linear.
const MOST: usize = 32;

/// How the words that two texts do not share fit each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Alignment {
    /// All are shared.
    Same,
    /// One text has some that the other lacks, and lacks none itself; how many words of content it has.
    Added(usize),
    /// Each has one where the other has another: how close these are.
    Replaced(f32),
    /// Each has some that the other lacks: how close the one is to any of the other's that is furthest from all.
    Reworded(f32),
    /// There are too many to say.
    Unlike,
}

/// A word of content that the other text lacks, with what it means where it stands.
struct Odd<'r> {
    word: &'r Word,
    state: Vec<f32>,
    pieces: usize,
    is_paired: bool,
}

impl Alignment {
    /// Of two texts whose words are paired; without the states of their tokens words are unlike each other.
    pub(super) fn new(
        a: (&Reading<'_>, Option<&Tokens>),
        b: (&Reading<'_>, Option<&Tokens>),
        pairing: &Pairing,
    ) -> Self {
        let contents = |reading: &Reading<'_>| reading.words.iter().filter(|word| word.is_content).count();
        let (a_words, b_words) = (a.0, b.0);
        let (mut a, mut b) = (odd(a, &pairing.a), odd(b, &pairing.b));
        if a.len() > MOST || b.len() > MOST {
            return Self::Unlike;
        }
        pair_typos(&mut a, &mut b);
        a.retain(|odd| !odd.is_paired);
        b.retain(|odd| !odd.is_paired);
        let furthest = |from: &[Odd<'_>], to: &[Odd<'_>]| {
            let closest = |odd: &Odd<'_>| to.iter().map(|to| odd.closeness(to)).fold(-1.0, f32::max);
            from.iter().map(closest).fold(1.0, f32::min)
        };
        match (a.len(), b.len()) {
            (0, 0) => Self::Same,
            (0, _) | (_, 0) => Self::Added(contents(a_words).max(contents(b_words))),
            (1, 1) => Self::Replaced(a[0].closeness(&b[0])),
            _ => Self::Reworded(furthest(&a, &b).min(furthest(&b, &a))),
        }
    }
}

impl Odd<'_> {
    fn closeness(&self, other: &Self) -> f32 {
        if self.state.is_empty() { -1.0 } else { cosine(&self.state, &other.state) }
    }
}

/// Pairs words that are one and the same but for a typing mistake. An embedder has words that it knows in one piece: two
/// that it knows are two words, as `debit` and `debt` are.
fn pair_typos(a: &mut [Odd<'_>], b: &mut [Odd<'_>]) {
    for a in a {
        let is_other = |b: &&mut Odd<'_>| {
            !b.is_paired
                && a.pieces.min(b.pieces) == 1
                && a.pieces != b.pieces
                && is_typo(&a.word.form, &b.word.form)
        };
        if let Some(b) = b.iter_mut().find(is_other) {
            a.is_paired = true;
            b.is_paired = true;
        }
    }
}

/// The words of content that are not paired.
fn odd<'r>((reading, tokens): (&'r Reading<'_>, Option<&Tokens>), is_paired: &'r [bool]) -> Vec<Odd<'r>> {
    let mut tokens = tokens.into_iter().flat_map(Tokens::iter).peekable();
    let mut all = Vec::new();
    for (_, word) in Pairing::lacking(&reading.words, is_paired).filter(|(_, word)| word.is_content) {
        while tokens.next_if(|(span, _)| span.end <= word.span.start).is_some() {}
        let (mut sum, mut pieces) = (Vec::new(), 0);
        while let Some((_, state)) = tokens.next_if(|(span, _)| span.start < word.span.end) {
            sum.resize(state.len(), 0.0);
            sum.iter_mut().zip(state).for_each(|(sum, x)| *sum += x);
            pieces += 1;
        }
        let length = sum.iter().map(|x| x * x).sum::<f32>().sqrt();
        sum.iter_mut().for_each(|x| *x /= length.max(f32::MIN_POSITIVE));
        all.push(Odd { word, state: sum, pieces, is_paired: false });
    }
    all
}
