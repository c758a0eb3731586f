//! What decides.

use dashpot::{
    cache::verify::{Verify, guard},
    core::cosine,
};

use crate::data::Pair;

/// A way to decide, with its threshold.
#[derive(Clone, Copy)]
pub(crate) enum Gate {
    /// By cosine alone.
    Cosine(f32),
    /// And nothing that differs outright.
    Guard(f32),
    /// By the score of what is shipped; one half is its default.
    Verify(f32),
}

impl Gate {
    pub(crate) const ALL: [Self; 17] = [
        Self::Cosine(0.75),
        Self::Cosine(0.8),
        Self::Cosine(0.85),
        Self::Cosine(0.9),
        Self::Cosine(0.95),
        Self::Guard(0.75),
        Self::Guard(0.8),
        Self::Guard(0.85),
        Self::Guard(0.9),
        Self::Guard(0.95),
        Self::Verify(0.35),
        Self::Verify(0.4),
        Self::Verify(0.45),
        Self::DEFAULT,
        Self::Verify(0.55),
        Self::Verify(0.6),
        Self::Verify(0.7),
    ];

    /// What is shipped.
    pub(crate) const DEFAULT: Self = Self::Verify(0.5);

    pub(crate) fn serves(self, pair: &Pair) -> bool {
        let [question, kept] = pair.both();
        let is_near = |threshold| cosine(question.1.vector(), kept.1.vector()) >= threshold;
        match self {
            Self::Cosine(threshold) => is_near(threshold),
            Self::Guard(threshold) => is_near(threshold) && guard::check(question.0, kept.0).is_ok(),
            Self::Verify(threshold) => score(pair).is_some_and(|score| score >= threshold),
        }
    }

    pub(crate) fn name(self) -> String {
        match self {
            Self::Cosine(threshold) => format!("cosine {threshold:.2}"),
            Self::Guard(threshold) => format!("+ guard {threshold:.2}"),
            Self::Verify(0.5) => "+ alignment 0.50 (default)".into(),
            Self::Verify(threshold) => format!("+ alignment {threshold:.2}"),
        }
    }
}

/// The score of a pair that the guard lets pass.
pub(crate) fn score(pair: &Pair) -> Option<f32> {
    let [question, kept] = pair.both();
    Verify::default().score(question, kept).ok().map(|score| score.value)
}
