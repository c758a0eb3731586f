//! What one text says and the other says the opposite of, or another of its kind.

use std::collections::BTreeSet;

use super::super::{
    Refused,
    lexicon::Mark,
    pairing::Pairing,
    reading::{Reading, Word},
};

/// What begins words that are opposites.
const PREFIX_PAIRS: [(&str, &str); 12] = [
    ("hyper", "hypo"),
    ("pre", "post"),
    ("over", "under"),
    ("up", "down"),
    ("in", "out"),
    ("inter", "intra"),
    ("macro", "micro"),
    ("max", "min"),
    ("in", "de"),
    ("im", "ex"),
    ("en", "de"),
    ("mono", "poly"),
];
/// What turns a word into its opposite.
const PREFIXES: [&str; 9] = ["un", "in", "im", "il", "ir", "dis", "non", "de", "mis"];

pub(super) fn check(a: &Reading<'_>, b: &Reading<'_>, pairing: &Pairing) -> Result<(), Refused> {
    let (a_only, b_only) = (Only::new(&a.words, &pairing.a), Only::new(&b.words, &pairing.b));
    if a_only.opposes(&b_only) || b_only.is_prefixed(&a_only) || a_only.is_prefixed(&b_only) {
        return Err(Refused::by("opposite"));
    }
    if a_only.is_other_kind(&b_only) {
        return Err(Refused::by("kind"));
    }
    if a_only.has_other_unit(&b_only) {
        return Err(Refused::by("unit"));
    }
    Ok(())
}

/// What is known of the words that the other text lacks.
#[derive(Default)]
struct Only<'w> {
    axes: BTreeSet<(usize, bool)>,
    kinds: BTreeSet<(usize, usize)>,
    units: BTreeSet<usize>,
    stems: BTreeSet<&'w str>,
}

impl<'w> Only<'w> {
    fn new(words: &'w [Word], is_paired: &[bool]) -> Self {
        let mut only = Self::default();
        for (at, word) in words.iter().enumerate() {
            if is_paired[at] {
                continue;
            }
            only.stems.insert(&word.stem);
            for mark in &word.marks {
                match mark {
                    Mark::Axis(axis, side) => only.axes.insert((*axis, *side)),
                    Mark::Kind(kind, thing) => only.kinds.insert((*kind, *thing)),
                    Mark::Unit(unit) => only.units.insert(*unit),
                    _ => false,
                };
            }
        }
        only
    }

    fn opposes(&self, other: &Self) -> bool {
        self.axes
            .iter()
            .any(|(axis, side)| other.axes.contains(&(*axis, !side)) && !other.axes.contains(&(*axis, *side)))
    }

    fn is_prefixed(&self, other: &Self) -> bool {
        self.stems.iter().any(|stem| {
            let bare = |prefix: &&str| stem.strip_prefix(prefix).filter(|bare| bare.len() >= 3);
            PREFIXES.iter().filter_map(bare).any(|bare| other.stems.contains(bare))
                || stem.strip_suffix("less").is_some_and(|bare| other.stems.contains(bare))
                || PREFIX_PAIRS.iter().flat_map(|(a, b)| [(a, b), (b, a)]).any(|(prefix, opposite)| {
                    stem.strip_prefix(prefix)
                        .filter(|bare| bare.len() >= 3)
                        .is_some_and(|bare| other.stems.contains(&*format!("{opposite}{bare}")))
                })
        })
    }

    /// Each has a unit that the other has not: what is asked for in metres is not asked for in feet.
    fn has_other_unit(&self, other: &Self) -> bool {
        !self.units.is_empty() && !other.units.is_empty() && self.units.is_disjoint(&other.units)
    }

    /// Each has a thing of one kind that the other has not.
    fn is_other_kind(&self, other: &Self) -> bool {
        self.kinds
            .difference(&other.kinds)
            .any(|(kind, _)| other.kinds.difference(&self.kinds).any(|(other, _)| other == kind))
    }
}
