use std::ops::Range;

use serde::Deserialize;
use unicode_categories::UnicodeCategories;
use unicode_normalization::char::decompose_canonical;

/// What BERT's tokenizers do to a text before they look words up; the `normalizer` of a `tokenizer.json`.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Normalizer {
    clean_text: bool,
    handle_chinese_chars: bool,
    strip_accents: Option<bool>,
    lowercase: bool,
}

/// A word or a mark, as it is looked up: its characters, and where in the text each comes from, in bytes.
#[derive(Debug, Default)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) spans: Vec<Range<usize>>,
}

impl Word {
    fn push(&mut self, c: char, span: Range<usize>) {
        self.text.push(c);
        self.spans.push(span);
    }
}

impl Normalizer {
    /// Hands on each word of `text`, which begins at `offset`, until one is refused. Says whether all were taken.
    pub(super) fn words(self, text: &str, offset: usize, mut take: impl FnMut(&Word) -> bool) -> bool {
        let strips = self.strip_accents.unwrap_or(self.lowercase);
        let mut word = Word::default();
        let mut end_word = |word: &mut Word| {
            let taken = word.text.is_empty() || take(word);
            word.text.clear();
            word.spans.clear();
            taken
        };
        for (start, c) in text.char_indices() {
            let span = offset + start..offset + start + c.len_utf8();
            // Of spaces, some are control characters: they vanish, and what is beside them is one word.
            if self.clean_text && is_dirt(c) {
                continue;
            }
            if c.is_whitespace() {
                if !end_word(&mut word) {
                    return false;
                }
                continue;
            }
            let is_alone = self.handle_chinese_chars && is_chinese(c);
            if is_alone && !end_word(&mut word) {
                return false;
            }
            let mut taken = true;
            let mut put = |c: char| {
                if is_punctuation(c) {
                    taken = taken && end_word(&mut word);
                    word.push(c, span.clone());
                    taken = taken && end_word(&mut word);
                } else {
                    word.push(c, span.clone());
                }
            };
            let mut put_lower =
                |c: char| if self.lowercase { c.to_lowercase().for_each(&mut put) } else { put(c) };
            if strips {
                decompose_canonical(c, |c| {
                    if !c.is_mark_nonspacing() {
                        put_lower(c);
                    }
                });
            } else {
                put_lower(c);
            }
            if !taken || (is_alone && !end_word(&mut word)) {
                return false;
            }
        }
        end_word(&mut word)
    }
}

/// Control characters and what stands for a character that could not be read.
fn is_dirt(c: char) -> bool {
    c == '\u{fffd}' || (c.is_other() && !matches!(c, '\t' | '\n' | '\r'))
}

fn is_punctuation(c: char) -> bool {
    c.is_ascii_punctuation() || c.is_punctuation()
}

/// The blocks of Chinese characters, each of which is a word; as the reference has them, where the last but two begins
/// 256 characters late.
fn is_chinese(c: char) -> bool {
    matches!(
        u32::from(c),
        0x4E00..=0x9FFF
            | 0x3400..=0x4DBF
            | 0x20000..=0x2A6DF
            | 0x2A700..=0x2B73F
            | 0x2B740..=0x2B81F
            | 0x2B920..=0x2CEAF
            | 0xF900..=0xFAFF
            | 0x2F800..=0x2FA1F
    )
}
