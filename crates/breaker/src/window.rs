use crate::atomic::{AtomicU64, Ordering::Relaxed};

/// So many buckets make up a window: the oldest is forgotten when a new one begins.
pub(crate) const BUCKETS: u64 = 10;

const COUNT: u64 = (1 << 20) - 1;

/// Calls within a span of time that moves along.
///
/// Each bucket is a word of its own tag (generation:8, epoch:16) and two counts of 20 bits, so that one operation adds to
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
    fn tag(self) -> u64 {
        u64::from(self.generation & 0xff) << 16 | self.epoch & 0xffff
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
        add(&self.calls, at, 1 << 20 | u64::from(failed));
    }

    pub(crate) fn slow(&self, at: Moment) {
        add(&self.slow, at, 1 << 20);
    }

    pub(crate) fn counts(&self, at: Moment) -> Counts {
        let mut counts = Counts::default();
        for age in 0..BUCKETS.min(at.epoch + 1) {
            let then = Moment { epoch: at.epoch - age, ..at };
            let of = |buckets: &[AtomicU64]| {
                let word = buckets[index(then)].load(Relaxed);
                if word >> 40 == then.tag() { (word >> 20 & COUNT, word & COUNT) } else { (0, 0) }
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
        let next = if seen >> 40 == at.tag() {
            // Halved when full: both counts, so that their ratio stays.
            let (calls, own) = (seen >> 20 & COUNT, seen & COUNT);
            let (calls, own) = if calls == COUNT { (calls / 2, own / 2) } else { (calls, own) };
            at.tag() << 40 | ((calls << 20 | own) + counts)
        } else if seen != 0 && is_before(at, seen >> 40) {
            // Somebody was slow to write this down: it belongs to what is forgotten.
            return;
        } else {
            at.tag() << 40 | counts
        };
        match bucket.compare_exchange_weak(seen, next, Relaxed, Relaxed) {
            Ok(_) => return,
            Err(now) => seen = now,
        }
    }
}

/// Whether a bucket is of a later moment than `at`. Tags wrap, but no thread is late by so much.
fn is_before(at: Moment, tag: u64) -> bool {
    let generations = (tag >> 16).wrapping_sub(at.tag() >> 16) as u8;
    let epochs = tag.wrapping_sub(at.tag()) as u16;
    (1..0x20).contains(&generations) || generations == 0 && (1..0x2000).contains(&epochs)
}
