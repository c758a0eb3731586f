use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};

use simsimd::SpatialSimilarity;

use super::signs::Signs;
use crate::Key;

/// For each entry that is wanted, so many are looked at closely (`benches/index.rs` says what is missed).
const CLOSELY: usize = 64;

/// As if no fewer were wanted.
const WANTED: usize = 4;

/// A direction with each of its numbers in a byte, and their signs.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Code {
    bytes: Vec<i8>,
    /// What one step of a byte is.
    step: f32,
    signs: Vec<u64>,
}

impl Code {
    pub(super) fn of(vector: &[f32]) -> Self {
        let largest = vector.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
        let step = if largest > 0.0 { largest / 127.0 } else { 1.0 };
        // Within -127 to 127 by the step.
        let bytes = vector.iter().map(|x| (x / step).round() as i8).collect();
        Self { bytes, step, signs: Signs::of(vector) }
    }
}

/// The entries of one partition, whose vectors are all as long.
#[derive(Debug, Default)]
pub(super) struct Partition {
    dimensions: usize,
    signs: Signs,
    codes: Vec<i8>,
    steps: Vec<f32>,
    keys: Vec<Key>,
    places: HashMap<Key, usize>,
}

impl Partition {
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Adds an entry, or puts it in place of the one with the same key; whether it is new. One of another length than the
    /// others has no place here.
    pub(super) fn insert(&mut self, key: Key, code: Code) -> bool {
        if self.keys.is_empty() {
            self.dimensions = code.bytes.len();
        }
        if code.bytes.len() != self.dimensions {
            return false;
        }
        if let Some(&place) = self.places.get(&key) {
            let at = place * self.dimensions;
            self.codes[at..at + self.dimensions].copy_from_slice(&code.bytes);
            self.steps[place] = code.step;
            self.signs.set(place, &code.signs);
            return false;
        }
        self.places.insert(key, self.keys.len());
        self.keys.push(key);
        self.steps.push(code.step);
        self.signs.push(&code.signs);
        self.codes.extend_from_slice(&code.bytes);
        true
    }

    pub(super) fn remove(&mut self, key: Key) {
        let Some(place) = self.places.remove(&key) else { return };
        // The last takes its place.
        self.keys.swap_remove(place);
        self.steps.swap_remove(place);
        self.signs.swap_remove(place);
        let last = self.codes.len() - self.dimensions;
        self.codes.copy_within(last.., place * self.dimensions);
        self.codes.truncate(last);
        if let Some(moved) = self.keys.get(place) {
            self.places.insert(*moved, place);
        }
    }

    /// The keys of those nearest to `code`, the nearest first: of those whose signs are the most like its own.
    pub(super) fn nearest(&self, code: &Code, most: usize) -> Vec<Key> {
        if code.bytes.len() != self.dimensions || self.dimensions == 0 || most == 0 {
            return Vec::new();
        }
        let places = self.signs.nearest(&code.signs, most.max(WANTED).saturating_mul(CLOSELY));
        // The least of the best is on top.
        let mut best: BinaryHeap<Reverse<(Score, usize)>> =
            BinaryHeap::with_capacity(most.min(places.len()) + 1);
        for place in places {
            let bytes = &self.codes[place * self.dimensions..][..self.dimensions];
            let Some(product) = i8::dot(bytes, &code.bytes) else { continue };
            let score = Score(product as f32 * self.steps[place]);
            if best.len() < most {
                best.push(Reverse((score, place)));
            } else if best.peek().is_some_and(|Reverse((least, _))| score > *least) {
                best.pop();
                best.push(Reverse((score, place)));
            }
        }
        best.into_sorted_vec().into_iter().map(|Reverse((_, place))| self.keys[place]).collect()
    }
}

#[derive(Clone, Copy, PartialEq)]
struct Score(f32);

impl Eq for Score {}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Score {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

#[cfg(test)]
mod tests {
    use dashpot_core::{Embedding, cosine};
    use proptest::prelude::*;

    use super::*;

    fn key(n: usize) -> Key {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&n.to_be_bytes());
        bytes.into()
    }

    fn direction() -> impl Strategy<Value = Embedding> {
        prop::collection::vec(-1.0_f32..1.0, 16).prop_filter_map("it points nowhere", |x| Embedding::new(&x))
    }

    proptest! {
        /// Against a list that is sorted by the exact cosine: what is found instead is as near, but for the rounding.
        #[test]
        fn the_nearest_are_found_after_any_changes(
            all in prop::collection::vec(direction(), 1..60),
            removed in prop::collection::vec(0..60_usize, 0..40),
            question in direction(),
            most in 0..8_usize,
        ) {
            let mut partition = Partition::default();
            for (n, embedding) in all.iter().enumerate() {
                prop_assert!(partition.insert(key(n), Code::of(embedding.vector())));
                prop_assert!(!partition.insert(key(n), Code::of(embedding.vector())));
            }
            let mut left: Vec<usize> = (0..all.len()).collect();
            for n in removed {
                partition.remove(key(n));
                left.retain(|&known| known != n);
            }
            prop_assert_eq!(partition.len(), left.len());
            let score = |n: usize| cosine(all[n].vector(), question.vector());
            left.sort_by(|&a, &b| score(b).total_cmp(&score(a)));
            let found = partition.nearest(&Code::of(question.vector()), most);
            prop_assert_eq!(found.len(), most.min(left.len()));
            for (place, found) in found.iter().enumerate() {
                let n = left.iter().copied().find(|&n| key(n) == *found).unwrap();
                prop_assert!((score(n) - score(left[place])).abs() < 0.03, "{} {}", score(n), score(left[place]));
            }
        }
    }

    /// The same numbers each time, between -0.5 and 0.5.
    fn numbers() -> impl FnMut() -> f32 {
        let mut state = 1_u64;
        move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 40) as f32 / (1 << 24) as f32 - 0.5
        }
    }

    /// Where all is about ten subjects, and so alike: the signs have to tell hundreds from each other before any is looked at
    /// closely.
    #[test]
    fn another_wording_finds_its_question_among_thousands_about_the_same() {
        let mut random = numbers();
        let mut beside = |x: &[f32], far: f32| -> Vec<f32> { x.iter().map(|x| x + far * random()).collect() };
        let subjects: Vec<Vec<f32>> = (0..10).map(|_| beside(&[0.0; 384], 1.0)).collect();
        // At a cosine of 0.6 to others about the same, and of 0.8 to another wording.
        let all: Vec<Vec<f32>> = (0..6000).map(|n| beside(&subjects[n % 10], 0.8)).collect();
        let mut partition = Partition::default();
        for (n, vector) in all.iter().enumerate() {
            assert!(partition.insert(key(n), Code::of(vector)));
        }
        let looked_up = (0..all.len()).step_by(30);
        let found = looked_up.clone().filter(|&n| {
            let question = beside(&all[n], 0.96);
            partition.nearest(&Code::of(&question), 4).first() == Some(&key(n))
        });
        let (found, all) = (found.count(), looked_up.count());
        assert!(found * 100 >= all * 99, "{found} of {all}");
    }

    #[test]
    fn what_was_added_is_found_among_thousands() {
        let mut random = numbers();
        let all: Vec<Vec<f32>> = (0..5000).map(|_| (0..96).map(|_| random()).collect()).collect();
        let mut partition = Partition::default();
        for (n, vector) in all.iter().enumerate() {
            assert!(partition.insert(key(n), Code::of(vector)));
        }
        for n in (0..all.len()).step_by(3) {
            partition.remove(key(n));
        }
        for (n, vector) in all.iter().enumerate() {
            let is_found = partition.nearest(&Code::of(vector), 1) == [key(n)];
            assert_eq!(is_found, n % 3 != 0, "{n}");
        }
    }

    #[test]
    fn a_vector_of_another_length_is_near_to_none_and_has_no_place() {
        let mut partition = Partition::default();
        assert!(partition.nearest(&Code::of(&[1.0]), 1).is_empty());
        assert!(partition.insert(key(1), Code::of(&[1.0, 0.0])));
        assert!(!partition.insert(key(2), Code::of(&[1.0])));
        assert!(partition.nearest(&Code::of(&[1.0]), 1).is_empty());
        assert_eq!(partition.nearest(&Code::of(&[1.0, 0.0]), 3), [key(1)]);
        partition.remove(key(2));
        partition.remove(key(1));
        assert!(partition.insert(key(2), Code::of(&[1.0])), "from then on it is another length");
        assert!(partition.nearest(&Code::of(&[]), 1).is_empty());
    }
}
