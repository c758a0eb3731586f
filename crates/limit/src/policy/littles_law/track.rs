use super::{
    length::Length,
    window::{Summary, Window},
};

/// How many standard errors count as a difference: by chance, one window in a hundred shows it.
pub(super) const SURE: f64 = 2.5;

/// Fewest samples that a decision is made on, while there are many.
const SAMPLES: f64 = 30.0;

/// A window of [`LONGEST`] seconds closes with so few: a rough estimate beats none.
const FEW_SAMPLES: f64 = 8.0;

/// Shortest window of many samples, in seconds: the scheduler of an upstream works in steps of tens of milliseconds.
const SHORTEST: f64 = 0.25;

/// Two baselines are long enough to see the effect of the last decision; five seconds for any.
const LONG: f64 = 5.0;

/// After so many seconds a window closes with few samples.
const LONGEST: f64 = 10.0;

/// After so many seconds without a sample the ones before tell nothing of the present.
const IDLE: f64 = 60.0;

/// Half of the difference: a better baseline is believed within three windows, a lucky window is forgotten as soon.
const FALL: f64 = 0.5;

/// With so little in flight there can be no queue of ours, so the baseline follows the upstream, both ways.
const UNUSED: f64 = 0.5;

/// A tenth of the difference for each unused window.
const FOLLOW: f64 = 0.1;

/// Weight of a window in the running coefficient of variation.
const VARIATION: f64 = 0.2;

/// The mode changes at a coefficient of variation this much beyond the border, lest it flap.
const HYSTERESIS: f64 = 1.1;

/// Shortest baseline, in seconds, lest a division has no meaning.
const SHORTEST_BASELINE: f64 = 1e-6;

/// What is known from one kind of signal: the open window, and the time that an exchange takes when it need not wait.
#[derive(Clone, Debug)]
pub(super) struct Track {
    window: Window,
    length: Length,
    baseline: Option<f64>,
    /// An operator has set the baseline, so it does not move.
    pinned: bool,
    /// The deviation that belongs to the baseline.
    deviation: Option<f64>,
    /// The coefficient of variation of the time without the wait, and the border above which the lower quartile is
    /// compared in place of the mean.
    variation: Option<f64>,
    border: f64,
    quartile: bool,
}

/// What a closed window says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    /// The mean, or the lower quartile.
    pub(super) middle: f64,
    /// Its standard error.
    pub(super) error: f64,
    /// The standard error that it would have without a queue: a queue's own variation excuses nothing.
    pub(super) calm_error: f64,
    /// The coefficient of variation without the wait.
    pub(super) variation: f64,
    pub(super) baseline: f64,
    pub(super) count: f64,
    pub(super) age: f64,
    pub(super) peak: f64,
}

impl Track {
    pub(super) fn new(border: f64) -> Self {
        Self {
            window: Window::new(),
            length: Length::default(),
            baseline: None,
            pinned: false,
            deviation: None,
            variation: None,
            border,
            quartile: false,
        }
    }

    pub(super) fn pin(&mut self, baseline: f64) {
        self.baseline = Some(baseline.max(SHORTEST_BASELINE));
        self.pinned = true;
    }

    pub(super) fn is_pinned(&self) -> bool {
        self.pinned
    }

    pub(super) fn baseline(&self) -> Option<f64> {
        self.baseline
    }

    /// Takes over a baseline that was learned before.
    pub(super) fn restore(&mut self, baseline: f64) {
        if !self.pinned {
            self.baseline = Some(baseline.max(SHORTEST_BASELINE));
            self.deviation = None;
        }
    }

    pub(super) fn add(&mut self, now: f64, admitted: f64, time: f64, length: Option<u32>, in_flight: u32) {
        if self.window.latest().is_some_and(|latest| now - latest > IDLE) {
            self.window.reopen();
            self.length.discard();
        }
        let level = self.length.level(length, time);
        self.window.add(now, admitted, level, in_flight);
    }

    /// Counts a client that left as a sample, if it waited longer than an exchange takes without a queue: the true time
    /// is at least as long. Without these a storm of impatient clients would leave no samples, and the limit would stay.
    pub(super) fn add_left(&mut self, now: f64, admitted: f64, waited: f64) {
        if self.baseline.is_some_and(|baseline| waited > baseline) {
            self.add(now, admitted, waited, None, 0);
        }
    }

    /// The shortest time that the window stays open while there are many samples.
    pub(super) fn shortest(&self) -> f64 {
        self.baseline.map_or(SHORTEST, |baseline| (2.0 * baseline).clamp(SHORTEST, LONG))
    }

    pub(super) fn is_ready(&self) -> bool {
        let (count, age) = (self.window.count(), self.window.age());
        count >= SAMPLES && age >= self.shortest() || count >= FEW_SAMPLES && age >= LONGEST
    }

    /// Forgets the open window, and counts only exchanges that are admitted from `fresh` on.
    pub(super) fn open(&mut self, fresh: f64) {
        self.window.open(fresh);
        self.length.discard();
    }

    /// Forgets the open window.
    pub(super) fn discard(&mut self) {
        self.window.reopen();
        self.length.discard();
    }

    /// Closes the window. `limit` is the one under which its exchanges were admitted.
    pub(super) fn close(&mut self, limit: f64) -> Reading {
        let (peak, age) = (self.window.peak(), self.window.age());
        let unused = peak < UNUSED * limit;
        let Summary { mean, deviation, quartile, quartile_error, missing, count } =
            self.window.summary(!self.length.is_used());
        self.length.close();
        self.window.reopen();

        let middle = |of_quartile| if of_quartile { quartile } else { mean };
        let wait = self.baseline.map_or(0.0, |baseline| (middle(self.quartile) - baseline).max(0.0));
        let variation = deviation / (mean - wait).max(SHORTEST_BASELINE);
        let variation = match self.variation {
            // The longest are not seen, so it looks smaller than it is.
            Some(old) if missing > 0.1 => old,
            Some(old) => old + VARIATION * (variation - old),
            None => variation,
        };
        self.variation = Some(variation);

        let before = self.quartile;
        self.quartile = if before { variation * HYSTERESIS > self.border } else { variation > self.border };
        // A wait moves mean and quartile alike, so what lies between them is between their baselines too.
        if let Some(baseline) = self.baseline.as_mut().filter(|_| !self.pinned) {
            *baseline = (*baseline + middle(self.quartile) - middle(before)).max(SHORTEST_BASELINE);
        }
        let middle = middle(self.quartile).max(SHORTEST_BASELINE);
        let (error, deviation) = if self.quartile {
            (quartile_error, quartile_error * count.sqrt())
        } else {
            (deviation / count.sqrt(), deviation)
        };
        if before != self.quartile {
            self.deviation = None;
        }

        let baseline = *self.baseline.get_or_insert(middle);
        let calm = *self.deviation.get_or_insert(deviation);
        if !self.pinned {
            if middle + SURE * error < baseline {
                self.move_baseline(middle, deviation, FALL);
            } else if unused {
                self.move_baseline(middle, deviation, FOLLOW);
            }
        }
        let reading = Reading {
            middle,
            error,
            calm_error: if self.quartile { error } else { calm.min(deviation) / count.sqrt() },
            variation,
            baseline: self.baseline.unwrap_or(middle),
            count,
            age,
            peak,
        };
        reading
    }

    /// Moves the baseline by a share of the way.
    pub(super) fn move_baseline(&mut self, to: f64, deviation: f64, share: f64) {
        if self.pinned {
            return;
        }
        if let Some(baseline) = &mut self.baseline {
            *baseline = (*baseline + share * (to - *baseline)).max(SHORTEST_BASELINE);
        }
        if let Some(own) = &mut self.deviation {
            *own += share * (deviation - *own);
        }
    }
}
