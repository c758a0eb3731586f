use std::{
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::{Duration, Instant},
};

/// Which exchanges are measured from their start to their end: all of them, unless they come too fast. The others are
/// only counted, and read no clock.
///
/// One of so many is taken that reports come [`DENSE`] to [`SPARSE`] apart: tens of thousands a second are more than a
/// policy needs, and cost a few percent of one core.
#[derive(Debug)]
pub(crate) struct Thinning {
    /// An exchange is measured if these bits of the count of admissions are zero.
    mask: AtomicU32,
}

const DENSE: Duration = Duration::from_micros(20);
const SPARSE: Duration = Duration::from_micros(80);
/// One of 16 at least: when the load falls to a few a second, it takes no longer than seconds to see all again.
const THINNEST: u32 = 15;

impl Thinning {
    pub(crate) fn new() -> Self {
        Self { mask: AtomicU32::new(0) }
    }

    pub(crate) fn takes(&self, admitted: u32) -> bool {
        // Relaxed: a guess that the next one corrects.
        admitted & self.mask.load(Relaxed) == 0
    }

    /// A report came so long after the one before.
    pub(crate) fn adapt(&self, last: Instant, now: Instant) {
        let gap = now.saturating_duration_since(last);
        let mask = self.mask.load(Relaxed);
        if gap < DENSE && mask < THINNEST {
            self.mask.store(mask << 1 | 1, Relaxed);
        } else if gap > SPARSE && mask > 0 {
            self.mask.store(mask >> 1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of 1,000 are measured that leave `apart` after each other.
    fn measured(thinning: &Thinning, apart: Duration) -> usize {
        let mut now = tokio::time::Instant::now().into_std();
        let mut last = now;
        let mut measured = 0;
        for departed in 0..1000 {
            now += apart;
            if thinning.takes(departed) {
                measured += 1;
                thinning.adapt(last, now);
                last = now;
            }
        }
        measured
    }

    #[test]
    fn all_are_measured_unless_they_come_too_fast_and_soon_again_when_they_do_not() {
        let thinning = Thinning::new();
        assert_eq!(measured(&thinning, Duration::from_millis(1)), 1000);
        let fast = measured(&thinning, Duration::from_nanos(100));
        assert!((60..80).contains(&fast), "{fast}");
        let some = measured(&thinning, Duration::from_micros(10));
        assert!((100..=500).contains(&some), "{some}");
        let slow = measured(&thinning, Duration::from_millis(100));
        assert!(slow >= 950, "{slow}");
    }
}
