/// Shortest level, in seconds, so that it can be divided by.
pub(super) const SHORTEST: f64 = 1e-6;

/// How long exchanges take. Both numbers are kept, so that either can be compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Level {
    /// Unknown as long as the longest exchanges have not been seen.
    pub(super) mean: Option<f64>,
    pub(super) quartile: f64,
}

impl Level {
    pub(super) fn both(time: f64) -> Self {
        let time = time.max(SHORTEST);
        Self { mean: Some(time), quartile: time }
    }

    pub(super) fn of(self, quartile: bool) -> f64 {
        self.mean.filter(|_| !quartile).unwrap_or(self.quartile)
    }

    /// A share of the way to another one.
    pub(super) fn towards(self, to: Self, share: f64) -> Self {
        let step = |from: f64, to: f64| (from + share * (to - from)).max(SHORTEST);
        let mean = match (self.mean, to.mean) {
            (Some(from), Some(to)) => Some(step(from, to)),
            (known, None) | (None, known) => known,
        };
        Self { mean, quartile: step(self.quartile, to.quartile) }
    }

    pub(super) fn map(self, with: impl Fn(f64) -> f64) -> Self {
        let with = |time| with(time).max(SHORTEST);
        Self { mean: self.mean.map(with), quartile: with(self.quartile) }
    }
}
