use super::reading::Reading;

/// An effect of so many standard errors would be seen.
const CLEAR: f64 = 2.0;

/// A sequence of decreases, and whether they are of use.
///
/// A real queue gets shorter by what the limit fell, and the throughput stays. If instead the time stays and the
/// throughput falls with the limit, there was no queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cuts {
    /// The limit at first, and what the window showed that led to the first decrease.
    pub(super) limit: f64,
    pub(super) first: Reading,
    /// Decreases in sequence that had no effect, and the limit after the last of them.
    futile: u32,
    judged: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The limit has not changed enough to see an effect.
    Unclear,
    /// What followed is what a queue would do, or something else has changed.
    Useful,
    /// Twice in sequence there was no effect. Once may be the window in which the upstream changed.
    Futile,
}

impl Cuts {
    pub(super) fn new(limit: f64, first: Reading) -> Self {
        Self { limit, first, futile: 0, judged: limit }
    }

    /// No more was in flight at first.
    fn effective(&self) -> f64 {
        self.limit.min(self.first.peak).max(1.0)
    }

    /// Judges by a later window, under a lower limit.
    pub(super) fn judge(&mut self, limit: f64, reading: &Reading) -> Verdict {
        if reading.censored || self.first.censored {
            // At least one of the two is only known to be longer.
            return Verdict::Useful;
        }
        if limit >= self.judged.min(self.effective()) {
            return Verdict::Unclear;
        }
        let first = &self.first;
        let error = first.error.hypot(reading.error);
        let before = first.level.of(reading.quartile);
        // A wait cannot fall by more than it was: the queue may still have been growing at first.
        let seen = (before - first.baseline).max(0.0);
        let expected = ((self.effective() - limit) / first.rate).min(seen);
        let narrowed = (self.effective() / limit).ln();
        let rate_error = (1.0 / first.count + 1.0 / reading.count).sqrt();
        // Less than half of the expected effect is none, where the noise alone would seldom take away the rest; not that seldom,
        // since it has to be so twice.
        let futile = if expected > CLEAR * error {
            before - reading.middle < 0.4 * expected
        } else if narrowed > CLEAR * rate_error {
            (first.rate / reading.rate).ln() > 0.6 * narrowed
        } else {
            return Verdict::Unclear;
        };
        if !futile {
            return Verdict::Useful;
        }
        if reading.middle > before + 2.0 * error {
            // Whatever it is, it was still growing at first.
            *self = Self { limit: self.limit, ..Self::new(limit, *reading) };
            return Verdict::Unclear;
        }
        self.futile += 1;
        self.judged = limit;
        if self.futile < 2 { Verdict::Unclear } else { Verdict::Futile }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::littles_law::{Kind, level::Level};

    fn reading(time: f64, rate: f64) -> Reading {
        Reading {
            kind: Kind::Latency,
            level: Level::both(time),
            quartile: false,
            middle: time,
            error: 0.002,
            calm_error: 0.002,
            baseline: 0.1,
            explained: false,
            rate,
            count: 100.0,
            age: 1.0,
            peak: 40.0,
            unused: false,
            censored: false,
        }
    }

    #[test]
    fn a_cut_that_shortens_the_wait_is_useful() {
        let mut cuts = Cuts::new(40.0, reading(0.2, 200.0));
        assert_eq!(cuts.judge(30.0, &reading(0.15, 200.0)), Verdict::Useful);
    }

    #[test]
    fn two_cuts_that_only_cost_throughput_are_futile() {
        let mut cuts = Cuts::new(40.0, reading(0.2, 200.0));
        assert_eq!(cuts.judge(30.0, &reading(0.2, 150.0)), Verdict::Unclear);
        assert_eq!(cuts.judge(24.0, &reading(0.2, 120.0)), Verdict::Futile);
    }

    #[test]
    fn a_queue_that_is_gone_was_one_even_if_it_had_not_grown_to_its_length() {
        // Of 16 exchanges too many only 4 had waited yet.
        let mut cuts = Cuts::new(40.0, reading(0.12, 200.0));
        assert_eq!(cuts.judge(24.0, &reading(0.1, 200.0)), Verdict::Useful);
    }

    #[test]
    fn a_wait_that_still_grew_at_first_is_judged_anew_from_there() {
        let mut cuts = Cuts::new(40.0, reading(0.15, 200.0));
        assert_eq!(cuts.judge(30.0, &reading(0.2, 150.0)), Verdict::Unclear);
        assert_eq!(cuts.judge(24.0, &reading(0.2, 120.0)), Verdict::Unclear);
        assert_eq!(cuts.judge(18.0, &reading(0.2, 90.0)), Verdict::Futile);
        // What is given back is all of it.
        assert_eq!(cuts.limit, 40.0);
    }

    #[test]
    fn a_small_cut_proves_nothing() {
        let mut cuts = Cuts::new(40.0, reading(0.2, 200.0));
        for _ in 0..10 {
            assert_eq!(cuts.judge(39.9, &reading(0.2, 200.0)), Verdict::Unclear);
        }
    }
}
