use std::time::Duration;

use crate::atomic::{AtomicU64, Ordering::Relaxed};

/// So many answers make the first average.
const FIRST: u64 = 20;

/// After these each answer weighs as much as one of so many.
const WEIGHT: u64 = 100;

/// And each slow probe as one of so many: four make ten times as long usual, within the first quarter of a minute.
const PROBE_WEIGHT: u64 = 30;

/// How long answers usually take to begin.
///
/// A word of a number of answers (8 bits) and their average in nanoseconds. Where two threads add at once one of them is
/// lost, which an average does not mind.
#[derive(Debug, Default)]
pub(crate) struct Baseline(AtomicU64);

impl Baseline {
    /// Whether an answer was slow: it took more than `factor` times as long as usual. One that was not becomes part of the
    /// average, and so does each probe's: an upstream that is slow while nobody bothers it has become so, or else it would
    /// stay open for ever.
    pub(crate) fn is_slow(&self, factor: f64, took: Duration, is_probe: bool) -> bool {
        let word = self.0.load(Relaxed);
        let (count, mean) = (word >> 56, (word & !(0xff << 56)) as f64);
        let took = took.as_nanos() as f64;
        let is_slow = count >= FIRST && took > factor * mean;
        if is_slow && !is_probe {
            return true;
        }
        let count = (count + 1).min(WEIGHT);
        let weight = if is_slow { PROBE_WEIGHT } else { count };
        let mean = mean + (took - mean) / weight as f64;
        self.0.store(count << 56 | mean as u64 & !(0xff << 56), Relaxed);
        is_slow
    }

    /// The next answers make a new average.
    pub(crate) fn forget(&self) {
        self.0.store(0, Relaxed);
    }

    /// The average; `None` until there is one.
    pub(crate) fn mean(&self) -> Option<Duration> {
        let word = self.0.load(Relaxed);
        (word >> 56 >= FIRST).then(|| Duration::from_nanos(word & !(0xff << 56)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_is_so_many_times_the_average_of_those_that_are_not() {
        let (baseline, slow) = (Baseline::default(), 10.0);
        let millis = |n| baseline.is_slow(slow, Duration::from_millis(n), false);
        assert!(!millis(5000), "nothing is known yet");
        for _ in 0..200 {
            assert!(!millis(100));
        }
        let mean = baseline.mean().unwrap();
        assert!(mean > Duration::from_millis(100) && mean < Duration::from_millis(200), "{mean:?}");
        for _ in 0..1000 {
            assert!(millis(5000), "what is slow does not become usual");
        }
        assert_eq!(baseline.mean(), Some(mean));
        assert!(!millis(500));
    }

    #[test]
    fn an_upstream_that_is_slow_for_probes_too_has_become_so_after_a_few() {
        let (baseline, slow) = (Baseline::default(), 10.0);
        for _ in 0..200 {
            baseline.is_slow(slow, Duration::from_millis(100), false);
        }
        for (times, slow_probes) in [(11, 1), (20, 2), (1_000, 4)] {
            let took = baseline.mean().unwrap() * times;
            let probes = (0..).take_while(|_| baseline.is_slow(slow, took, true)).count();
            assert_eq!(probes, slow_probes, "of {took:?}");
        }
    }
}
