use super::histogram::Histogram;

/// Times that had less than this share of the window to show themselves count as missing: few of them would have to stand
/// for many.
const LEAST_EXPOSURE: f64 = 0.25;

/// The samples of a stretch of time. Its memory does not grow with their number.
///
/// After a change of the limit only exchanges that were admitted since then count. At first those that are over soon are
/// seen only, so to take them as they come would find times too short. So each is weighted by how much of the window
/// it could have ended in (inverse probability weights, Horvitz and Thompson 1952), and those that are still missing
/// count as longer than the others: exchanges that were admitted before end in their place, as many.
#[derive(Clone, Debug)]
pub(super) struct Window {
    /// Only exchanges admitted from here on count.
    fresh: f64,
    opened: f64,
    latest: Option<f64>,
    count: f64,
    /// Samples of exchanges admitted before.
    old: f64,
    peak: u32,
    histogram: Histogram,
}

/// What the samples have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Summary {
    pub(super) mean: f64,
    pub(super) deviation: f64,
    pub(super) quartile: f64,
    pub(super) quartile_error: f64,
    /// The share of exchanges that take too long to have been seen.
    pub(super) missing: f64,
    /// As many samples without weights would tell as much.
    pub(super) count: f64,
}

impl Window {
    pub(super) fn new() -> Self {
        Self {
            fresh: f64::NEG_INFINITY,
            opened: 0.0,
            latest: None,
            count: 0.0,
            old: 0.0,
            peak: 0,
            histogram: Histogram::new(),
        }
    }

    /// Opens it anew, for exchanges that are admitted from `fresh` on.
    pub(super) fn open(&mut self, fresh: f64) {
        if self.count > 0.0 {
            self.histogram.clear();
        }
        self.fresh = fresh;
        (self.latest, self.count, self.old, self.peak) = (None, 0.0, 0.0, 0);
    }

    /// Goes on with the next one.
    pub(super) fn reopen(&mut self) {
        self.open(self.fresh);
    }

    /// Adds a sample; says whether it counts.
    pub(super) fn add(&mut self, now: f64, admitted: f64, time: f64, in_flight: u32) -> bool {
        if self.latest.is_none() {
            // From the first sample on, not from the reset: there may be a gap between the two.
            self.opened = now;
        }
        self.latest = Some(now);
        // Nothing was admitted before the very first one.
        self.fresh = if self.fresh == f64::NEG_INFINITY { admitted } else { self.fresh };
        if admitted < self.fresh {
            self.old += 1.0;
            return false;
        }
        self.count += 1.0;
        self.peak = self.peak.max(in_flight);
        self.histogram.add(time);
        true
    }

    /// Samples that count.
    pub(super) fn count(&self) -> f64 {
        self.count
    }

    /// From the first sample to the latest one.
    pub(super) fn age(&self) -> f64 {
        self.latest.map_or(0.0, |latest| latest - self.opened)
    }

    /// When the latest sample came, if one did.
    pub(super) fn latest(&self) -> Option<f64> {
        self.latest
    }

    /// Most exchanges that were in flight when one of these was admitted.
    pub(super) fn peak(&self) -> f64 {
        f64::from(self.peak)
    }

    pub(super) fn summary(&self, weighted: bool) -> Summary {
        let end = self.latest.unwrap_or(self.opened);
        let span = (end - self.opened).max(1e-9);
        // One that takes `time` ends in the window if it was admitted between the later of two starts and its end.
        let weight = |time: f64| {
            let exposure = (end - self.opened.max(self.fresh + time)).max(0.0) / span;
            if !weighted {
                1.0
            } else if exposure < LEAST_EXPOSURE {
                0.0
            } else {
                1.0 / exposure
            }
        };

        let (mut total, mut squares, mut sum) = (0.0, 0.0, 0.0);
        for bucket in self.histogram.buckets() {
            let (time, weight) = (bucket.middle(), weight(bucket.middle()));
            total += bucket.count * weight;
            squares += bucket.count * weight * weight;
            sum += bucket.count * weight * time;
        }
        let mean = if total > 0.0 { sum / total } else { 0.0 };
        let scatter: f64 = (self.histogram.buckets())
            .map(|bucket| bucket.count * weight(bucket.middle()) * (bucket.middle() - mean).powi(2))
            .sum();
        let all = if weighted { total.max(self.count + self.old) } else { total };
        let count = if squares > 0.0 { total * total / squares } else { 0.0 };

        let quantile = |q: f64| {
            let rank = q.clamp(0.0, 1.0) * all;
            let (mut below, mut last) = (0.0, 0.0);
            for bucket in self.histogram.buckets() {
                let here = bucket.count * weight(bucket.middle());
                if here > 0.0 && below + here >= rank {
                    return bucket.from + (bucket.to - bucket.from) * ((rank - below) / here).clamp(0.0, 1.0);
                }
                (below, last) = (below + here, bucket.to);
            }
            last
        };
        // The order statistics one standard deviation of the rank around the quartile.
        let rank = (0.25 * 0.75 / count.max(1.0)).sqrt();
        Summary {
            mean,
            deviation: if total > 0.0 { (scatter / total).sqrt() } else { 0.0 },
            quartile: quantile(0.25),
            quartile_error: (quantile(0.25 + rank) - quantile(0.25 - rank)) / 2.0,
            missing: if all > 0.0 { 1.0 - total / all } else { 0.0 },
            count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_deviation_and_quartile_are_those_of_the_samples() {
        let mut window = Window::new();
        for i in 0..=100_u32 {
            window.add(f64::from(i), -100.0, 1.0 + f64::from(i) / 100.0, i);
        }
        let summary = window.summary(true);
        assert!((summary.mean - 1.5).abs() < 1e-2);
        assert!((summary.deviation - 0.293).abs() < 1e-2);
        assert!((summary.quartile - 1.25).abs() < 0.02);
        assert!((summary.quartile_error - 0.043).abs() < 0.01);
        assert_eq!((window.age(), window.peak(), summary.count, summary.missing), (100.0, 100.0, 101.0, 0.0));
    }

    #[test]
    fn a_new_window_knows_nothing_of_the_last() {
        let mut window = Window::new();
        window.add(1.0, 0.0, 9.0, 9);
        window.open(3.0);
        assert!(!window.add(4.0, 2.0, 9.0, 9));
        assert!(window.add(5.0, 3.0, 1.0, 2));
        assert!((window.summary(false).mean - 1.0).abs() < 0.03);
        assert_eq!((window.age(), window.peak(), window.count()), (1.0, 2.0, 1.0));
    }

    /// One exchange is admitted every 10 ms; three of four take 0.2 to 2 s, the others 4 s.
    #[test]
    fn the_short_ones_that_come_first_do_not_pass_for_all() {
        let time = |i: u32| {
            if i.is_multiple_of(4) { 4.0 } else { 0.2 + 1.8 * (f64::from(i) * 0.618_033_988_75).fract() }
        };
        let mut ends: Vec<_> =
            (0..3000).map(|i| (f64::from(i) * 0.01 + time(i), f64::from(i) * 0.01, time(i))).collect();
        ends.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut window = Window::new();
        window.open(10.0);
        for (end, admitted, time) in ends.into_iter().filter(|(end, ..)| (10.0..12.0).contains(end)) {
            window.add(end, admitted, time, 1);
        }
        // A quarter of all is a third of the shorter ones, so 0.2 + 1.8 / 3.
        let summary = window.summary(true);
        assert!((summary.quartile - 0.8).abs() < 0.1, "{summary:?}");
        assert!((0.25..0.5).contains(&summary.missing), "{summary:?}");
    }
}
