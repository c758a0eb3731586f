use std::{collections::HashMap, ops::Range};

use serde::Deserialize;

use super::words::{Normalizer, Word};
use crate::load_error::Unfit;

/// A BERT's tokenizer: words, and the longest known pieces of words that are not known.
#[derive(Debug)]
pub(super) struct WordPiece {
    normalizer: Normalizer,
    prefix: String,
    max_characters: usize,
    vocabulary: HashMap<String, u32>,
    /// Tokens that are read as such wherever they stand.
    added: Vec<Added>,
    unknown: u32,
    first: u32,
    last: u32,
}

/// A piece of a text: its number, and where it stands, in bytes.
pub(crate) type Piece = (u32, Range<usize>);

#[derive(Debug, Deserialize)]
struct File {
    added_tokens: Vec<Added>,
    model: Model,
    normalizer: Typed<Normalizer>,
    pre_tokenizer: Typed<Nothing>,
}

#[derive(Debug, Deserialize)]
struct Added {
    id: u32,
    content: String,
}

#[derive(Debug, Deserialize)]
struct Typed<T> {
    r#type: String,
    #[serde(flatten)]
    value: T,
}

#[derive(Debug, Deserialize)]
struct Nothing {}

#[derive(Debug, Deserialize)]
struct Model {
    r#type: Option<String>,
    unk_token: String,
    continuing_subword_prefix: String,
    max_input_chars_per_word: usize,
    vocab: HashMap<String, u32>,
}

impl WordPiece {
    /// From a `tokenizer.json`.
    pub(super) fn new(file: &[u8]) -> Result<Self, Unfit> {
        let File { added_tokens, model, normalizer, pre_tokenizer } =
            serde_json::from_slice(file).map_err(|error| Unfit(error.to_string()))?;
        for (is, expected) in [
            (model.r#type.as_deref().unwrap_or("WordPiece"), "WordPiece"),
            (&normalizer.r#type, "BertNormalizer"),
            (&pre_tokenizer.r#type, "BertPreTokenizer"),
        ] {
            if is != expected {
                return Err(Unfit(format!("a {is:?}, and only {expected:?} is known")));
            }
        }
        let id = |name: &str| {
            model.vocab.get(name).copied().ok_or_else(|| Unfit(format!("{name} is not in its vocabulary")))
        };
        Ok(Self {
            unknown: id(&model.unk_token)?,
            first: id("[CLS]")?,
            last: id("[SEP]")?,
            normalizer: normalizer.value,
            prefix: model.continuing_subword_prefix,
            max_characters: model.max_input_chars_per_word,
            vocabulary: model.vocab,
            added: added_tokens.into_iter().filter(|added| !added.content.is_empty()).collect(),
        })
    }

    /// The highest number of a token.
    pub(super) fn highest(&self) -> u32 {
        let added = self.added.iter().map(|added| added.id);
        self.vocabulary.values().copied().chain(added).max().unwrap_or_default()
    }

    /// The tokens that stand before and after those of each text.
    pub(super) fn ends(&self) -> [u32; 2] {
        [self.first, self.last]
    }

    /// The pieces of a text; `None` if they are more than `most`. What is beyond those is not looked at.
    pub(super) fn pieces(&self, text: &str, most: usize) -> Option<Vec<Piece>> {
        let mut pieces = Vec::new();
        let mut from = 0;
        loop {
            let added = self.next_added(&text[from..]);
            let end = added.map_or(text.len(), |(at, _)| from + at);
            let all = self.normalizer.words(&text[from..end], from, |word| {
                self.split(word, &mut pieces);
                pieces.len() <= most
            });
            let Some((_, added)) = added.filter(|_| all) else {
                return all.then_some(pieces);
            };
            from = end + added.content.len();
            pieces.push((added.id, end..from));
            if pieces.len() > most {
                return None;
            }
        }
    }

    /// The first added token in a text, and where it stands.
    fn next_added(&self, text: &str) -> Option<(usize, &Added)> {
        let found = self.added.iter().filter_map(|added| Some((text.find(&added.content)?, added)));
        found.min_by_key(|(at, added)| (*at, std::cmp::Reverse(added.content.len())))
    }

    /// Adds the pieces of a word: the longest first, then the longest of what is left. A word of which some part is not
    /// known is not known at all.
    fn split(&self, word: &Word, pieces: &mut Vec<Piece>) {
        let before = pieces.len();
        let known = word.spans.len() <= self.max_characters && self.split_known(word, pieces).is_some();
        if !known {
            pieces.truncate(before);
            if let (Some(first), Some(last)) = (word.spans.first(), word.spans.last()) {
                pieces.push((self.unknown, first.start..last.end));
            }
        }
    }

    fn split_known(&self, word: &Word, pieces: &mut Vec<Piece>) -> Option<()> {
        let (mut left, mut spans) = (&*word.text, &*word.spans);
        let mut piece = String::new();
        while !left.is_empty() {
            piece.clear();
            if left.len() < word.text.len() {
                piece.push_str(&self.prefix);
            }
            piece.push_str(left);
            let mut characters = spans.len();
            let id = loop {
                if let Some(id) = self.vocabulary.get(&piece) {
                    break *id;
                }
                piece.pop();
                characters -= 1;
                if characters == 0 {
                    return None;
                }
            };
            pieces.push((id, spans[0].start..spans[characters - 1].end));
            spans = &spans[characters..];
            left = &left[left.char_indices().nth(characters).map_or(left.len(), |(at, _)| at)..];
        }
        Some(())
    }
}
