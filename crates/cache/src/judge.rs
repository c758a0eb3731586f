//! Who says whether an answer would have been right: services of your own, or those here that ask nobody else.
//!
//! What is [learned](crate::Learning) is worth as much as its judge. Those here are cheap and strict: neither knows whether an
//! answer is right, only whether it is the one that the upstream gave now. Where a model says the same in other words each
//! time, [`SameText`] takes nearly everything for wrong, and [`SameMeaning`] much: then little is proven, and what could have been
//! served is not. They err to the safe side mostly, and not always: two answers can say the same and both be of the wrong
//! question. A small model that is asked whether the kept answer answers the question is a better judge.

mod same_meaning;
mod same_text;

use std::sync::Arc;

pub use self::{same_meaning::SameMeaning, same_text::SameText};

/// What a judge is asked: would `kept_answer` have been right for `question`, to which the upstream has now said
/// `fresh_answer`?
///
/// An answer is what it says: the texts, one behind the other, and calls of tools and whatever else there is in it as JSON, without
/// ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// What was asked now.
    pub question: Arc<str>,
    /// What the kept answer was the answer to.
    pub kept_question: Arc<str>,
    /// What would have been given away.
    pub kept_answer: Arc<str>,
    /// What was given instead.
    pub fresh_answer: Arc<str>,
}

/// What a [verifier](crate::Similar::verifier) is asked: may `kept_answer` be given to `question`?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// What is asked now.
    pub question: Arc<str>,
    /// What the kept answer is the answer to.
    pub kept_question: Arc<str>,
    /// What is to be given away, in the form of a [`Comparison`].
    pub kept_answer: Arc<str>,
}
