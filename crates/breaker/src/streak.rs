use crate::atomic::{AtomicU64, Ordering::Relaxed};

/// Failures one after the other, in one generation: a word of the generation and their number.
#[derive(Debug, Default)]
pub(crate) struct Streak(AtomicU64);

impl Streak {
    /// How many there are now.
    pub(crate) fn one_more(&self, generation: u32) -> u32 {
        let own = u64::from(generation) << 32;
        let more = |word: u64| if word & !0xffff_ffff == own { word + 1 } else { own | 1 };
        let before = self.0.fetch_update(Relaxed, Relaxed, |word| Some(more(word)));
        more(before.unwrap_or_else(|word| word)) as u32
    }

    /// A success has broken it. Mostly there is none, and nothing to be written.
    #[inline]
    pub(crate) fn broken(&self, generation: u32) {
        let word = self.0.load(Relaxed);
        if word as u32 != 0 && word >> 32 == u64::from(generation) {
            // If somebody has added one meanwhile, that failure came after this success.
            let _ = self.0.compare_exchange(word, 0, Relaxed, Relaxed);
        }
    }
}
