use std::sync::Arc;

use super::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};

/// So much may shares that sum to 1 exceed it when they are added up in floating point; times the highest limit it is
/// far less than one exchange.
pub(crate) const ROUNDING: f64 = 1e-9;

/// How many of the exchanges in flight belong to which partition, and how many each is sure of.
#[derive(Debug)]
pub(crate) struct Partitions(Box<[Partition]>);

#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) name: Arc<str>,
    share: f64,
    /// Relaxed: an admission may go by the limit of a moment ago.
    guaranteed: AtomicU32,
    /// Acquire and release, as in the [`Word`](super::word::Word).
    in_flight: AtomicU32,
    refused: AtomicU64,
}

impl Partitions {
    pub(crate) fn new(shares: &[(Arc<str>, f64)], limit: u32) -> Self {
        let partition = |(name, share): &(Arc<str>, f64)| Partition {
            name: name.clone(),
            share: *share,
            guaranteed: AtomicU32::new(0),
            in_flight: AtomicU32::new(0),
            refused: AtomicU64::new(0),
        };
        let partitions = Self(shares.iter().map(partition).collect());
        partitions.set_limit(limit);
        partitions
    }

    pub(crate) fn as_slice(&self) -> &[Partition] {
        &self.0
    }

    /// What each is sure of is its share rounded down, but one at least. All together that is no more than the limit,
    /// unless there are more partitions than that.
    ///
    /// Where limit is so low that the ones of small partitions do not fit beside the others' shares, each gets its one
    /// first, and its share of the rest.
    pub(crate) fn set_limit(&self, limit: u32) {
        let shares = || self.0.iter().filter(|partition| partition.share > 0.0);
        let plain: u32 = shares().map(|partition| portion(partition.share, limit).max(1)).sum();
        let ones = if plain > limit { shares().count() as u32 } else { 0 };
        for partition in shares() {
            let guaranteed = ones.min(1) + portion(partition.share, limit.saturating_sub(ones));
            partition.guaranteed.store(guaranteed.max(1), Relaxed);
        }
    }
}

fn portion(share: f64, limit: u32) -> u32 {
    // 0.57 of 100 is a little less than 57.
    share.mul_add(f64::from(limit), ROUNDING) as u32
}

impl Partition {
    pub(crate) fn guaranteed(&self) -> u32 {
        self.guaranteed.load(Relaxed)
    }

    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.load(Acquire)
    }

    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    pub(crate) fn refuse(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    /// Counts one more, if that is one of those that it is sure of.
    pub(crate) fn take_guaranteed(&self) -> bool {
        let more = |count| (count < self.guaranteed()).then_some(count + 1);
        self.in_flight.fetch_update(AcqRel, Acquire, more).is_ok()
    }

    /// Counts one more, which has its slot already.
    pub(crate) fn take(&self) {
        self.in_flight.fetch_add(1, AcqRel);
    }

    pub(crate) fn give_back(&self) {
        self.in_flight.fetch_sub(1, AcqRel);
    }
}
