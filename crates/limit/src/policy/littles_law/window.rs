use super::histogram::Histogram;

/// The samples of a stretch of time. Its memory does not grow with their number.
#[derive(Clone, Debug)]
pub(super) struct Window {
    count: u32,
    mean: f64,
    /// Sum of squared distances from the mean (Welford 1962).
    scatter: f64,
    opened: f64,
    latest: f64,
    peak: u32,
    histogram: Histogram,
}

impl Window {
    pub(super) fn new() -> Self {
        Self {
            count: 0,
            mean: 0.0,
            scatter: 0.0,
            opened: 0.0,
            latest: 0.0,
            peak: 0,
            histogram: Histogram::new(),
        }
    }

    /// Counts from its first sample on, not from the reset: there is a gap between the two after a settle.
    pub(super) fn add(&mut self, now: f64, value: f64, in_flight: u32) {
        if self.count == 0 {
            self.opened = now;
        }
        self.count = self.count.saturating_add(1);
        let off = value - self.mean;
        self.mean += off / f64::from(self.count);
        self.scatter += off * (value - self.mean);
        self.latest = now;
        self.peak = self.peak.max(in_flight);
        self.histogram.add(value);
    }

    pub(super) fn clear(&mut self) {
        if self.count > 0 {
            self.histogram.clear();
        }
        (self.count, self.mean, self.scatter, self.peak) = (0, 0.0, 0.0, 0);
    }

    pub(super) fn count(&self) -> f64 {
        f64::from(self.count)
    }

    /// From the first sample to the latest one.
    pub(super) fn age(&self) -> f64 {
        if self.count == 0 { 0.0 } else { (self.latest - self.opened).max(0.0) }
    }

    /// When the latest sample came, if one did.
    pub(super) fn latest(&self) -> Option<f64> {
        (self.count > 0).then_some(self.latest)
    }

    /// Most exchanges that were in flight when one of these was admitted.
    pub(super) fn peak(&self) -> f64 {
        f64::from(self.peak)
    }

    pub(super) fn mean(&self) -> f64 {
        self.mean
    }

    pub(super) fn deviation(&self) -> f64 {
        if self.count < 2 { 0.0 } else { (self.scatter.max(0.0) / (self.count() - 1.0)).sqrt() }
    }

    /// The lower quartile and its standard error, from the order statistics one standard deviation of the rank around it.
    pub(super) fn lower_quartile(&self) -> (f64, f64) {
        const Q: f64 = 0.25;
        let rank = (Q * (1.0 - Q) / self.count().max(1.0)).sqrt();
        let error = (self.histogram.quantile(Q + rank) - self.histogram.quantile(Q - rank)) / 2.0;
        (self.histogram.quantile(Q), error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_deviation_and_quartile_are_those_of_the_samples() {
        let mut window = Window::new();
        for i in 0..=100_u32 {
            window.add(f64::from(i), 1.0 + f64::from(i) / 100.0, i);
        }
        assert!((window.mean() - 1.5).abs() < 1e-9);
        assert!((window.deviation() - 0.293).abs() < 1e-3);
        assert!((window.lower_quartile().0 - 1.25).abs() < 0.02);
        assert!((window.lower_quartile().1 - 0.043).abs() < 0.01);
        assert_eq!((window.age(), window.peak()), (100.0, 100.0));
    }

    #[test]
    fn a_cleared_window_is_a_new_one() {
        let mut window = Window::new();
        window.add(1.0, 9.0, 9);
        window.clear();
        window.add(5.0, 1.0, 2);
        assert_eq!((window.mean(), window.age(), window.peak(), window.count()), (1.0, 0.0, 2.0, 1.0));
    }
}
