use crate::atomic::{AtomicU64, Ordering::Relaxed};

/// Failures one after the other, in one generation: a word of the generation and their weights together.
#[derive(Debug, Default)]
pub(crate) struct Streak(AtomicU64);

impl Streak {
    /// What they weigh now with one more; nothing if the generation is over.
    pub(crate) fn add(&self, generation: u32, weight: u32) -> u32 {
        let own = u64::from(generation) << 32;
        let more = |word: u64| {
            let newer = ((word >> 32) as u32).wrapping_sub(generation) as i32;
            let count = if newer == 0 { (word as u32).saturating_add(weight) } else { weight };
            (newer <= 0).then_some(own | u64::from(count))
        };
        self.0.fetch_update(Relaxed, Relaxed, more).ok().and_then(more).map_or(0, |word| word as u32)
    }

    /// A success has broken it. Mostly there is none, and nothing to be written.
    #[inline]
    pub(crate) fn broken(&self, generation: u32) {
        let word = self.0.load(Relaxed);
        if word as u32 != 0 && word >> 32 == u64::from(generation) {
            // If somebody has added one meanwhile, that failure came after this success.
            let none = u64::from(generation) << 32;
            let _ = self.0.compare_exchange(word, none, Relaxed, Relaxed);
        }
    }
}
