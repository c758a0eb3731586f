use moka::{ops::compute::Op, sync::Cache};

use crate::Key;

/// So many entries' feedback is remembered; beyond, what is looked up least is forgotten.
const MOST: u64 = 1 << 16;

/// So often wrong, an entry is given for no question but its own.
const TOO_OFTEN: u8 = 4;

/// Which entries were said to be wrong, and how often more than right.
#[derive(Clone, Debug)]
pub(crate) struct Feedback {
    wrong: Cache<Key, u8>,
}

impl Default for Feedback {
    fn default() -> Self {
        Self { wrong: Cache::new(MOST) }
    }
}

impl Feedback {
    pub(crate) fn tell(&self, entry: Key, is_right: bool) {
        self.wrong.entry(entry).and_compute_with(|known| {
            let wrong = known.map_or(0, moka::Entry::into_value);
            match if is_right { wrong.saturating_sub(1) } else { (wrong + 1).min(TOO_OFTEN) } {
                0 => Op::Remove,
                wrong => Op::Put(wrong),
            }
        });
    }

    /// Whether this score is too low for what was said about the entry: each time halves what lies between one half and 1.
    pub(crate) fn refuses(&self, entry: Key, score: f32) -> bool {
        let Some(wrong) = self.wrong.get(&entry) else { return false };
        wrong >= TOO_OFTEN || score < 1.0 - 0.5_f32.powi(i32::from(wrong) + 1)
    }

    #[cfg(test)]
    fn len(&self) -> u64 {
        self.wrong.run_pending_tasks();
        self.wrong.entry_count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [0; 32];

    fn refuses(feedback: &Feedback, scores: [f32; 4]) -> [bool; 4] {
        scores.map(|score| feedback.refuses(Key::from(KEY), score))
    }

    #[test]
    fn each_time_that_it_was_wrong_halves_what_is_left_until_nothing_is() {
        let feedback = Feedback::default();
        let scores = [0.6, 0.8, 0.9, 1.0];
        for expected in [
            [false, false, false, false],
            [true, false, false, false],
            [true, true, false, false],
            [true, true, true, false],
            [true, true, true, true],
            [true, true, true, true],
        ] {
            assert_eq!(refuses(&feedback, scores), expected);
            feedback.tell(Key::from(KEY), false);
        }
    }

    #[test]
    fn right_takes_one_wrong_back_and_never_more_than_there_were() {
        let feedback = Feedback::default();
        for is_right in [true, true, false, false, true] {
            feedback.tell(Key::from(KEY), is_right);
        }
        assert_eq!(refuses(&feedback, [0.6, 0.74, 0.75, 1.0]), [true, true, false, false]);
        feedback.tell(Key::from(KEY), true);
        assert_eq!((refuses(&feedback, [0.0; 4]), feedback.len()), ([false; 4], 0));
    }

    #[test]
    fn a_flood_of_feedback_stays_within_the_bound() {
        let feedback = Feedback::default();
        for n in 0..2 * MOST {
            let mut key = KEY;
            key[..8].copy_from_slice(&n.to_be_bytes());
            feedback.tell(Key::from(key), false);
        }
        assert!(feedback.len() <= MOST);
    }
}
