//! What is known of English words, by their stem.

mod words;

use std::{collections::HashMap, sync::LazyLock};

use super::stem::stem;

/// What a word does, beside what it means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Mark {
    Stop,
    Courtesy,
    Negator,
    Denial,
    Scope,
    /// A side of a line.
    Axis(usize, bool),
    /// One thing of a kind.
    Kind(usize, usize),
    Date,
    Number(u32),
    Magnitude(f64),
    /// A unit, by the line it is in.
    Unit(usize),
}

pub(super) struct Lexicon {
    marks: HashMap<String, Vec<Mark>>,
    foreign: HashMap<&'static str, ()>,
    contractions: HashMap<&'static str, &'static [&'static str]>,
}

pub(super) static LEXICON: LazyLock<Lexicon> = LazyLock::new(Lexicon::new);

impl Lexicon {
    fn new() -> Self {
        let mut lexicon = Self {
            marks: HashMap::new(),
            foreign: words::FOREIGN.split_whitespace().map(|word| (word, ())).collect(),
            contractions: words::CONTRACTIONS.iter().copied().collect(),
        };
        lexicon.mark_all(words::STOP, Mark::Stop);
        lexicon.mark_all(words::COURTESY, Mark::Courtesy);
        lexicon.mark_all(words::NEGATORS, Mark::Negator);
        lexicon.mark_all(words::DENIALS, Mark::Denial);
        lexicon.mark_all(words::SCOPE, Mark::Scope);
        lexicon.mark_all(words::DATES, Mark::Date);
        for (at, (one, other)) in words::AXES.iter().enumerate() {
            lexicon.mark_all(one, Mark::Axis(at, false));
            lexicon.mark_all(other, Mark::Axis(at, true));
        }
        for (kind, things) in words::KINDS.iter().enumerate() {
            for (thing, names) in things.split_whitespace().enumerate() {
                names.split('/').for_each(|name| lexicon.mark(name, Mark::Kind(kind, thing)));
            }
        }
        for (word, number) in words::NUMBERS {
            lexicon.mark(word, Mark::Number(*number));
        }
        for (word, times) in words::MAGNITUDES {
            lexicon.mark(word, Mark::Magnitude(*times));
        }
        for (unit, names) in words::UNITS.iter().enumerate() {
            lexicon.mark_all(names, Mark::Unit(unit));
        }
        lexicon
    }

    fn mark_all(&mut self, words: &'static str, mark: Mark) {
        words.split_whitespace().for_each(|word| self.mark(word, mark));
    }

    fn mark(&mut self, word: &str, mark: Mark) {
        let marks = self.marks.entry(stem(word)).or_default();
        if !marks.contains(&mark) {
            marks.push(mark);
        }
    }

    /// All that is known of the words with this stem.
    pub(super) fn marks(&self, stem: &str) -> &[Mark] {
        self.marks.get(stem).map_or(&[], Vec::as_slice)
    }

    /// The unit that goes by this name.
    pub(super) fn unit(&self, name: &str) -> Option<usize> {
        self.marks(&stem(name)).iter().find_map(|mark| match mark {
            Mark::Unit(unit) => Some(*unit),
            _ => None,
        })
    }

    pub(super) fn is_foreign(&self, word: &str) -> bool {
        self.foreign.contains_key(word)
    }

    pub(super) fn contraction(&self, word: &str) -> Option<&'static [&'static str]> {
        self.contractions.get(word).copied()
    }
}
