use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use tower_service::Service;

use super::Comparison;

/// A judge to whom an answer is right if the upstream gives the same now: the same words in the same order, whatever their case,
/// the space between them, and the punctuation behind them.
///
/// For answers that are short or of a fixed form, such as labels or JSON, and models that say the same each time.
#[derive(Clone, Copy, Debug, Default)]
pub struct SameText;

impl Service<Comparison> for SameText {
    type Response = bool;
    type Error = Infallible;
    type Future = Ready<Result<bool, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, asked: Comparison) -> Self::Future {
        ready(Ok(words(&asked.kept_answer).eq(words(&asked.fresh_answer))))
    }
}

fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    let end = |c: char| matches!(c, '.' | ',' | ';' | ':' | '!' | '?');
    let words = text.split_whitespace().map(move |word| word.trim_end_matches(end).to_lowercase());
    words.filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_words_are_the_same_whatever_their_case_space_and_ends() {
        let same = |a, b| words(a).eq(words(b));
        assert!(same("Yes, you can.", " yes you\ncan !"));
        for (a, b) in [("Yes", "No"), ("-5", "5"), ("1.5", "15"), ("a b", "b a"), ("a", "a b")] {
            assert!(!same(a, b), "{a} {b}");
        }
    }
}
