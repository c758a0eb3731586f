use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use moka::sync::Cache;

use crate::{Key, verify::Learned};

/// So many bytes are kept of what was learned, of all partitions together.
const MOST_BYTES: u64 = 16 << 20;

/// What was learned, by partition; as much as there is room for, since anybody who may ask can make partitions. Those that are
/// asked for least are forgotten first.
#[derive(Clone)]
pub(super) struct Partitions {
    known: Cache<Key, Arc<Mutex<Learned>>>,
    blank: Arc<Learned>,
}

impl Partitions {
    pub(super) fn new(blank: Learned) -> Self {
        // One that is full takes a part of it at most.
        let most = MOST_BYTES.max((blank.max_weight() as u64).saturating_mul(4));
        let known = Cache::builder()
            .max_capacity(most)
            .weigher(|_, learned: &Arc<Mutex<Learned>>| {
                u32::try_from(with(learned, |learned| learned.weight())).unwrap_or(u32::MAX)
            })
            .build();
        Self { known, blank: Arc::new(blank) }
    }

    /// What is known of a partition; of one that is new, as much as at the beginning, and it takes no room.
    pub(super) fn decide<T>(&self, partition: Key, decide: impl FnOnce(&Learned) -> T) -> T {
        match self.known.get(&partition) {
            Some(learned) => with(&learned, |learned| decide(learned)),
            None => decide(&self.blank),
        }
    }

    pub(super) fn tell(&self, partition: Key, tell: impl FnOnce(&mut Learned)) {
        let blank = || Arc::new(Mutex::new(Learned::clone(&self.blank)));
        let learned = self.known.get_with(partition, blank);
        with(&learned, tell);
        // To be weighed again.
        self.known.insert(partition, learned);
    }

    pub(super) fn proven(&self) -> Vec<(Key, Option<f32>)> {
        let of = |learned: Arc<Mutex<Learned>>| with(&learned, |learned| learned.proven_from());
        self.known.iter().map(|(partition, learned)| (*partition, of(learned))).collect()
    }
}

fn with<T>(learned: &Mutex<Learned>, look: impl FnOnce(&mut Learned) -> T) -> T {
    look(&mut learned.lock().unwrap_or_else(PoisonError::into_inner))
}

impl fmt::Debug for Partitions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partitions").field("known", &self.known.entry_count()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u32) -> Key {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&n.to_be_bytes());
        Key::from(bytes)
    }

    #[test]
    fn a_flood_of_partitions_stays_within_the_bound_and_leaves_those_that_are_used() {
        let partitions = Partitions::new(Learned::new(0.03));
        let proven = |n| partitions.decide(key(n), Learned::proven_from);
        for n in 0..300 {
            partitions.tell(key(0), |learned| learned.tell(key(n), 0.9, true));
        }
        for n in 1..100_000 {
            partitions.tell(key(n), |learned| learned.tell(key(n), 0.9, true));
            if n % 10 == 0 {
                assert!(proven(0).is_some(), "after {n}");
            }
        }
        partitions.known.run_pending_tasks();
        assert!(partitions.known.weighted_size() <= MOST_BYTES);
        assert!(partitions.known.entry_count() < 50_000, "{partitions:?}");
    }

    #[test]
    fn a_partition_that_grows_is_weighed_again() {
        let partitions = Partitions::new(Learned::new(0.03));
        partitions.tell(key(0), |learned| learned.tell(key(0), 0.9, true));
        partitions.known.run_pending_tasks();
        let before = partitions.known.weighted_size();
        for n in 0..100 {
            partitions.tell(key(0), |learned| learned.tell(key(n), 0.9, true));
        }
        partitions.known.run_pending_tasks();
        assert!(partitions.known.weighted_size() > 20 * before);
    }

    #[test]
    fn a_question_about_a_partition_takes_no_room() {
        let partitions = Partitions::new(Learned::new(0.03));
        (0..100).for_each(|n| assert_eq!(partitions.decide(key(n), Learned::proven_from), None));
        assert_eq!(partitions.proven(), []);
    }
}
