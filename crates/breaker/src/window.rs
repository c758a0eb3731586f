use crate::atomic::{AtomicU64, Ordering::Relaxed};

/// So many buckets make up a window: the oldest is forgotten when a new one begins.
pub(crate) const BUCKETS: u64 = 10;

/// A tag in the highest bits, then two counts.
const COUNT_BITS: u32 = 18;
const COUNT: u64 = (1 << COUNT_BITS) - 1;
const TAG_SHIFT: u32 = 2 * COUNT_BITS;

/// Calls within a span of time that moves along.
///
/// Each bucket is a word of its own tag (generation:8, lap:20) and two counts of 18 bits, so that one operation adds to
/// the right bucket or to none. Adding takes as long for any span, and reading ten loads.
#[derive(Debug)]
pub(crate) struct Window {
    calls: [AtomicU64; BUCKETS as usize],
    slow: [AtomicU64; BUCKETS as usize],
}

/// When: the generation of the breaker, and the number of the bucket since it was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) generation: u32,
    pub(crate) epoch: u64,
}

impl Moment {
    /// The place in the ring says which epoch of a lap it is. Laps come again after a million windows.
    fn tag(self) -> u64 {
        u64::from(self.generation & 0xff) << 20 | (self.epoch / BUCKETS) & 0xf_ffff
    }
}

/// What the window shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) calls: u64,
    pub(crate) failed: u64,
    pub(crate) slow: u64,
}

impl Window {
    pub(crate) fn new() -> Self {
        let empty = || std::array::from_fn(|_| AtomicU64::new(0));
        Self { calls: empty(), slow: empty() }
    }

    #[inline]
    pub(crate) fn call(&self, at: Moment, failed: bool) {
        add(&self.calls, at, 1 << COUNT_BITS | u64::from(failed));
    }

    pub(crate) fn slow(&self, at: Moment) {
        add(&self.slow, at, 1 << COUNT_BITS);
    }

    pub(crate) fn counts(&self, at: Moment) -> Counts {
        let mut counts = Counts::default();
        for age in 0..BUCKETS.min(at.epoch + 1) {
            let then = Moment { epoch: at.epoch - age, ..at };
            let of = |buckets: &[AtomicU64]| {
                let word = buckets[index(then)].load(Relaxed);
                if word >> TAG_SHIFT == then.tag() {
                    (word >> COUNT_BITS & COUNT, word & COUNT)
                } else {
                    (0, 0)
                }
            };
            let (calls, failed) = of(&self.calls);
            counts.calls += calls;
            counts.failed += failed;
            counts.slow += of(&self.slow).0;
        }
        counts
    }

    /// Forgets all, so that a generation whose tag comes again finds nothing.
    pub(crate) fn clear(&self) {
        for bucket in self.calls.iter().chain(&self.slow) {
            bucket.store(0, Relaxed);
        }
    }
}

fn index(at: Moment) -> usize {
    (at.epoch % BUCKETS) as usize
}

#[inline]
fn add(buckets: &[AtomicU64], at: Moment, counts: u64) {
    let bucket = &buckets[index(at)];
    let mut seen = bucket.load(Relaxed);
    loop {
        let next = if seen >> TAG_SHIFT == at.tag() {
            // Halved when full: both counts, so that their ratio stays.
            let (calls, own) = (seen >> COUNT_BITS & COUNT, seen & COUNT);
            let (calls, own) = if calls == COUNT { (calls / 2, own / 2) } else { (calls, own) };
            at.tag() << TAG_SHIFT | ((calls << COUNT_BITS | own) + counts)
        } else if seen != 0 && is_before(at, seen >> TAG_SHIFT) {
            // Somebody was slow to write this down: it belongs to what is forgotten.
            return;
        } else {
            at.tag() << TAG_SHIFT | counts
        };
        match bucket.compare_exchange_weak(seen, next, Relaxed, Relaxed) {
            Ok(_) => return,
            Err(now) => seen = now,
        }
    }
}

/// Whether a bucket is of a later moment than `at`.
///
/// Tags wrap, so what is much older looks later. No thread is late by 16 windows; an idle time that ends within the 16
/// before a million is as good as none.
fn is_before(at: Moment, tag: u64) -> bool {
    let generations = (tag >> 20).wrapping_sub(at.tag() >> 20) as u8;
    let laps = tag.wrapping_sub(at.tag()) & 0xf_ffff;
    (1..0x20).contains(&generations) || generations == 0 && (1..0x10).contains(&laps)
}
