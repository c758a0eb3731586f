use super::{Kind, level::Level};

/// How many standard errors count as a difference: by chance, one window in a hundred shows it.
pub(super) const SURE: f64 = 2.5;

/// What a window says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub(super) kind: Kind,
    pub(super) level: Level,
    /// Whether the lower quartile is compared, or else the mean.
    pub(super) quartile: bool,
    /// That one, and its standard error.
    pub(super) middle: f64,
    pub(super) error: f64,
    /// The standard error that it would have without a queue: a queue's own variation excuses nothing.
    pub(super) calm_error: f64,
    /// What it is compared with.
    pub(super) baseline: f64,
    /// That is longer than it was learned, since the upstream seems to be slower.
    pub(super) explained: bool,
    /// Departures per second.
    pub(super) rate: f64,
    pub(super) count: f64,
    pub(super) age: f64,
    /// Most exchanges that were in flight when one of these was admitted.
    pub(super) peak: f64,
    /// The peak is so far under the limit that none of them can have waited for it.
    pub(super) unused: bool,
    /// Many of the times are only known to be longer: clients did not wait for their end. Nothing follows from that such
    /// times are as long as before.
    pub(super) censored: bool,
}

impl Reading {
    /// Little's law: as many wait as leave per second, times what each waits.
    pub(super) fn queue(&self) -> f64 {
        self.rate * (self.middle - self.baseline)
    }

    /// Whether the limit is to be lowered for it.
    pub(super) fn is_too_long(&self) -> bool {
        self.queue() > self.bounds().1
    }

    /// A shorter queue is none, and a longer one than the second is too long.
    ///
    /// Some have to wait, or else servers idle between one exchange and the next: about the square root of those served,
    /// as many as their number varies by (Halfin and Whitt 1981). A share of them is forgiven too, as an error of the
    /// baseline is one, and the noise of the estimate.
    pub(super) fn bounds(&self) -> (f64, f64) {
        let served = self.rate * self.baseline;
        let noise = SURE * self.rate * self.calm_error;
        let short = (0.25 * served.sqrt()).max(0.05 * served);
        let long = (0.75 * served.sqrt()).max(0.15 * served) + noise;
        (short, long)
    }
}
