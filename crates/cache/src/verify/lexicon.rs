//! What is known of English words, by their stem.

mod amounts;
mod opposites;
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
    /// What is known of all forms of a word, by its stem.
    marks: HashMap<String, Vec<Mark>>,
    /// What is known of one form: a `theme` is no form of `them`.
    small: HashMap<String, Vec<Mark>>,
    foreign: HashMap<&'static str, ()>,
    contractions: HashMap<&'static str, &'static [&'static str]>,
}

pub(super) static LEXICON: LazyLock<Lexicon> = LazyLock::new(Lexicon::new);

impl Lexicon {
    fn new() -> Self {
        let mut lexicon = Self {
            marks: HashMap::new(),
            small: HashMap::new(),
            foreign: words::FOREIGN.split_whitespace().map(|word| (word, ())).collect(),
            contractions: words::CONTRACTIONS.iter().copied().collect(),
        };
        for (words, mark) in [
            (words::STOP, Mark::Stop),
            (words::COURTESY, Mark::Courtesy),
            (words::NEGATORS, Mark::Negator),
            (words::SCOPE, Mark::Scope),
        ] {
            words.split_whitespace().for_each(|word| add(&mut lexicon.small, word, mark));
        }
        lexicon.mark_all(words::DENIALS, Mark::Denial);
        lexicon.mark_all(words::DATES, Mark::Date);
        for (at, (one, other)) in opposites::AXES.iter().enumerate() {
            lexicon.mark_all(one, Mark::Axis(at, false));
            lexicon.mark_all(other, Mark::Axis(at, true));
        }
        for (kind, things) in opposites::KINDS.iter().enumerate() {
            for (thing, names) in things.split_whitespace().enumerate() {
                names.split('/').for_each(|name| lexicon.mark(name, Mark::Kind(kind, thing)));
            }
        }
        for (word, number) in amounts::NUMBERS {
            add(&mut lexicon.small, word, Mark::Number(*number));
        }
        for (word, times) in amounts::MAGNITUDES {
            add(&mut lexicon.small, word, Mark::Magnitude(*times));
        }
        for (unit, names) in amounts::UNITS.iter().enumerate() {
            lexicon.mark_all(names, Mark::Unit(unit));
        }
        lexicon
    }

    fn mark_all(&mut self, words: &'static str, mark: Mark) {
        words.split_whitespace().for_each(|word| self.mark(word, mark));
    }

    fn mark(&mut self, word: &str, mark: Mark) {
        add(&mut self.marks, &stem(word), mark);
    }

    /// All that is known of a word in lower case.
    pub(super) fn marks(&'static self, word: &str, stem: &str) -> impl Iterator<Item = Mark> + use<> {
        let of =
            |marks: &'static HashMap<String, Vec<Mark>>, word| marks.get(word).into_iter().flatten().copied();
        of(&self.small, word).chain(of(&self.marks, stem))
    }

    /// The unit that goes by this name.
    pub(super) fn unit(&'static self, name: &str) -> Option<usize> {
        self.marks(name, &stem(name)).find_map(|mark| match mark {
            Mark::Unit(unit) => Some(unit),
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

fn add(marks: &mut HashMap<String, Vec<Mark>>, word: &str, mark: Mark) {
    let marks = marks.entry(word.to_owned()).or_default();
    if !marks.contains(&mark) {
        marks.push(mark);
    }
}
