use fearless_simd::{Level, dispatch};

/// So many entries lie side by side, so that their bits are compared at once.
const LANES: usize = 8;

/// On which side of zero each number of each entry is, a bit each.
#[derive(Debug)]
pub(super) struct Signs {
    /// How many words of 64 bits an entry has.
    words: usize,
    count: usize,
    /// The first words of the first entries, their second words, and so on; then those of the next entries.
    rows: Vec<[u64; LANES]>,
    level: Level,
}

impl Default for Signs {
    fn default() -> Self {
        Self { words: 0, count: 0, rows: Vec::new(), level: Level::new() }
    }
}

impl Signs {
    /// The bits of one vector.
    pub(super) fn of(vector: &[f32]) -> Vec<u64> {
        let word = |numbers: &[f32]| {
            numbers.iter().enumerate().fold(0, |word, (bit, &x)| word | (u64::from(x > 0.0) << bit))
        };
        vector.chunks(64).map(word).collect()
    }

    /// Adds an entry behind the others, which have as many words.
    pub(super) fn push(&mut self, signs: &[u64]) {
        if self.count == 0 {
            self.words = signs.len();
        }
        if self.count.is_multiple_of(LANES) {
            self.rows.resize(self.rows.len() + self.words, [0; LANES]);
        }
        self.count += 1;
        self.set(self.count - 1, signs);
    }

    /// Puts an entry in the place of another.
    pub(super) fn set(&mut self, place: usize, signs: &[u64]) {
        let first = place / LANES * self.words;
        for (row, &word) in self.rows[first..first + self.words].iter_mut().zip(signs) {
            row[place % LANES] = word;
        }
    }

    /// Removes an entry; the last takes its place.
    pub(super) fn swap_remove(&mut self, place: usize) {
        let last = self.count - 1;
        let (from, to) = (last / LANES * self.words, place / LANES * self.words);
        for word in 0..self.words {
            self.rows[to + word][place % LANES] = self.rows[from + word][last % LANES];
        }
        self.count = last;
        self.rows.truncate(last.div_ceil(LANES) * self.words);
    }

    /// The places of the `most` entries that have the fewest bits other than `signs`, in no order.
    pub(super) fn nearest(&self, signs: &[u64], most: usize) -> Vec<usize> {
        if self.count <= most {
            return (0..self.count).collect();
        }
        dispatch!(self.level, _simd => self.fewest(signs, most))
    }

    // Within what is compiled for the processor, which counts the bits of many words at once.
    #[inline(always)]
    fn fewest(&self, signs: &[u64], most: usize) -> Vec<usize> {
        let mut nearest: Vec<(u64, usize)> = Vec::with_capacity(2 * most);
        // Those with as many other bits are not looked at any more.
        let mut bound = u64::MAX;
        for (block, rows) in self.rows.chunks_exact(self.words).enumerate() {
            let mut others = [0; LANES];
            for (row, signs) in rows.iter().zip(signs) {
                for (others, word) in others.iter_mut().zip(row) {
                    *others += u64::from((word ^ signs).count_ones());
                }
            }
            if others.iter().fold(false, |is_any, &others| is_any | (others < bound)) {
                let places = (block * LANES..self.count).zip(others);
                nearest.extend(places.filter(|&(_, n)| n < bound).map(|(place, n)| (n, place)));
                if nearest.len() + LANES > 2 * most {
                    bound = keep(&mut nearest, most);
                }
            }
        }
        keep(&mut nearest, most);
        nearest.into_iter().map(|(_, place)| place).collect()
    }
}

/// Keeps the `most` least, of which it tells the greatest.
fn keep(nearest: &mut Vec<(u64, usize)>, most: usize) -> u64 {
    if nearest.len() > most {
        nearest.select_nth_unstable(most);
        nearest.truncate(most);
    }
    nearest.iter().map(|&(others, _)| others).max().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against a list that is sorted by how many bits are other ones.
        #[test]
        fn those_with_the_fewest_other_bits_are_found_after_any_changes(
            all in prop::collection::vec(any::<[u64; 2]>(), 1..200),
            changed in prop::collection::vec((any::<prop::sample::Index>(), any::<[u64; 2]>()), 0..20),
            removed in prop::collection::vec(any::<prop::sample::Index>(), 0..150),
            question in any::<[u64; 2]>(),
            most in 8..40_usize,
        ) {
            let (mut signs, mut expected) = (Signs::default(), all.clone());
            for entry in all {
                signs.push(&entry);
            }
            for (place, entry) in changed {
                let place = place.index(expected.len());
                signs.set(place, &entry);
                expected[place] = entry;
            }
            for place in removed {
                if !expected.is_empty() {
                    signs.swap_remove(place.index(expected.len()));
                    expected.swap_remove(place.index(expected.len()));
                }
            }
            let others = |place: usize| -> u32 {
                expected[place].iter().zip(&question).map(|(a, b)| (a ^ b).count_ones()).sum()
            };
            let mut fewest: Vec<u32> = (0..expected.len()).map(others).collect();
            fewest.sort_unstable();
            fewest.truncate(most);
            // As this processor can, and as every one can.
            for level in [Level::new(), Level::baseline()] {
                signs.level = level;
                let mut found: Vec<u32> = signs.nearest(&question, most).into_iter().map(others).collect();
                found.sort_unstable();
                prop_assert_eq!(&found, &fewest);
            }
        }
    }

    #[test]
    fn a_bit_tells_which_numbers_are_greater_than_zero() {
        let mut vector = vec![-1.0; 66];
        (vector[1], vector[65]) = (0.5, 2.0);
        assert_eq!(Signs::of(&vector), [2, 2]);
        assert!(Signs::of(&[]).is_empty());
    }
}
