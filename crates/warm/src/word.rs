use crate::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};

/// Whether requests may pass, how many are in flight, and how many have passed: in one word, so that a request that comes
/// while it closes is either counted before that, or does not pass.
///
/// From the lowest bit: open; 15 bits of the generation; 24 of those in flight; 24 of those that have begun, which wrap.
#[derive(Debug)]
pub(crate) struct Word(AtomicU64);

/// The word at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) is_open: bool,
    pub(crate) generation: u16,
    pub(crate) in_flight: u32,
    pub(crate) begun: u32,
}

const OPEN: u64 = 1;
const GENERATIONS: u64 = 0x7fff;
const IN_FLIGHT: u64 = 1 << 16;
const BEGUN: u64 = 1 << 40;
const COUNT: u64 = 0xff_ffff;

impl Word {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    #[inline]
    pub(crate) fn load(&self) -> Seen {
        self.0.load(Acquire).into()
    }

    /// One more, if it is open; of this generation.
    #[inline]
    pub(crate) fn enter(&self) -> Option<u16> {
        let mut word = self.0.load(Relaxed);
        while word & OPEN != 0 {
            // Acquire: whoever passes sees what those did who opened it.
            match self.0.compare_exchange_weak(word, word.wrapping_add(BEGUN + IN_FLIGHT), Acquire, Relaxed) {
                Ok(_) => return Some(Seen::from(word).generation),
                Err(seen) => word = seen,
            }
        }
        None
    }

    /// One more whether it is open or not, by whoever has the lock. One that was held does not count as begun.
    pub(crate) fn admit(&self, was_held: bool) {
        let one = if was_held { IN_FLIGHT } else { BEGUN + IN_FLIGHT };
        self.0.fetch_add(one, Acquire);
    }

    /// One less; how it is after that.
    #[inline]
    pub(crate) fn leave(&self) -> Seen {
        // Release: whoever finds nobody in flight sees what those did who were.
        Seen::from(self.0.fetch_sub(IN_FLIGHT, AcqRel).wrapping_sub(IN_FLIGHT))
    }

    /// Lets requests pass, by whoever has the lock.
    pub(crate) fn open(&self, generation: u16) {
        let bits = OPEN | u64::from(generation) << 1;
        let _ = self.0.fetch_update(AcqRel, Relaxed, |word| Some(word & !(OPEN | GENERATIONS << 1) | bits));
    }

    /// Lets none pass from here on, by whoever has the lock; what it was.
    pub(crate) fn close(&self) -> Seen {
        Seen::from(self.0.fetch_and(!OPEN, AcqRel))
    }
}

impl From<u64> for Seen {
    #[inline]
    fn from(word: u64) -> Self {
        Self {
            is_open: word & OPEN != 0,
            generation: (word >> 1 & GENERATIONS) as u16,
            in_flight: (word >> 16 & COUNT) as u32,
            begun: (word >> 40) as u32,
        }
    }
}
