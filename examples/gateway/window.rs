//! Percentiles of what was seen within the last minute, in a bounded place and without a lock.

use std::{
    array,
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Seconds in one slice; the oldest is overwritten when a new one begins.
const SLICE: u64 = 10;

/// So many are looked at, so that the window is of 50 to 60 seconds; one more is being overwritten.
const SLICES: usize = 6;

/// The first bucket ends here, and each further one at `2^(1/8)`, about 1.09, times the end of the one before.
const LEAST: f64 = 1e-4;
const PER_OCTAVE: f64 = 8.0;

/// To about 100 seconds; what takes longer counts as that.
const BUCKETS: usize = 160;

/// How long things took. It is told the time, counted from any moment.
#[derive(Debug)]
pub(crate) struct Window {
    slices: [Slice; SLICES + 1],
}

#[derive(Debug)]
struct Slice {
    /// The how manieth it is of all since that moment.
    turn: AtomicU64,
    counts: [AtomicU32; BUCKETS],
}

// Relaxed: figures for people. Of what is recorded in the moment that a slice begins anew, a few may be lost.
impl Window {
    pub(crate) fn record(&self, now: Duration, took: Duration) {
        let turn = now.as_secs() / SLICE;
        let slice = &self.slices[turn as usize % self.slices.len()];
        if slice.turn.swap(turn, Relaxed) != turn {
            slice.counts.iter().for_each(|count| count.store(0, Relaxed));
        }
        slice.counts[bucket(took)].fetch_add(1, Relaxed);
    }

    /// How many there were, and the time within which each of these shares of them was over; `None` if there were none.
    pub(crate) fn quantiles<const N: usize>(
        &self,
        now: Duration,
        shares: [f64; N],
    ) -> Option<(u64, [Duration; N])> {
        let turn = now.as_secs() / SLICE;
        let mut counts = [0_u64; BUCKETS];
        for slice in &self.slices {
            let of = slice.turn.load(Relaxed);
            if of <= turn && turn - of < SLICES as u64 {
                counts
                    .iter_mut()
                    .zip(&slice.counts)
                    .for_each(|(sum, count)| *sum += u64::from(count.load(Relaxed)));
            }
        }
        let all: u64 = counts.iter().sum();
        let within = |share: f64| {
            let rank = ((all as f64 * share).ceil() as u64).max(1);
            let mut passed = 0;
            let found = counts.iter().position(|count| {
                passed += count;
                passed >= rank
            });
            middle(found.unwrap_or(BUCKETS - 1))
        };
        (all > 0).then(|| (all, shares.map(within)))
    }
}

impl Default for Window {
    fn default() -> Self {
        let slice = || Slice { turn: AtomicU64::new(0), counts: array::from_fn(|_| AtomicU32::new(0)) };
        Self { slices: array::from_fn(|_| slice()) }
    }
}

fn bucket(took: Duration) -> usize {
    let above = (took.as_secs_f64() / LEAST).log2() * PER_OCTAVE;
    // What is below the first bucket is negative, and 0 as a bucket.
    (above.ceil() as usize).min(BUCKETS - 1)
}

fn middle(bucket: usize) -> Duration {
    Duration::from_secs_f64(LEAST * ((bucket as f64 - 0.5) / PER_OCTAVE).exp2())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_quantile_is_right_to_a_few_percent() {
        let window = Window::default();
        for ms in 1..=1000 {
            window.record(SECOND, Duration::from_millis(ms));
        }
        let (count, found) = window.quantiles(SECOND, [0.5, 0.9, 0.99]).unwrap();
        assert_eq!(count, 1000);
        for (found, exact) in found.iter().zip([0.5, 0.9, 0.99]) {
            assert!((found.as_secs_f64() / exact - 1.0).abs() < 0.05, "{found:?} for {exact}");
        }
    }

    #[test]
    fn what_is_older_than_a_minute_is_forgotten() {
        let window = Window::default();
        window.record(SECOND * 5, SECOND);
        assert_eq!(window.quantiles(SECOND * 59, [0.5]).map(|(count, _)| count), Some(1));
        assert_eq!(window.quantiles(SECOND * 60, [0.5]), None);
        window.record(SECOND * 70, SECOND);
        window.record(SECOND * 75, SECOND);
        assert_eq!(
            window.quantiles(SECOND * 75, [0.5]).map(|(count, _)| count),
            Some(2),
            "the slice is used again"
        );
    }

    #[test]
    fn no_time_and_any_time_have_a_bucket() {
        let window = Window::default();
        window.record(SECOND, Duration::ZERO);
        window.record(SECOND, Duration::MAX);
        let (count, [least, most]) = window.quantiles(SECOND, [0.0, 1.0]).unwrap();
        assert!(count == 2 && least < most, "{least:?} {most:?}");
    }
}
