use super::{
    Kind,
    length::Length,
    level::{self, Level},
    reading::{Reading, SURE},
    rests::Rests,
    window::{Summary, Window},
};

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
pub(super) const IDLE: f64 = 60.0;

/// Half of the difference: a better baseline is believed within three windows, a lucky window is forgotten as soon.
const FALL: f64 = 0.5;

/// With so little in flight a limit cannot do anything about a queue, so the baseline follows the upstream, both ways.
const UNUSED: f64 = 0.5;

/// A tenth of the difference for each unused window.
const FOLLOW: f64 = 0.1;

/// Weight of a window in the running coefficient of variation.
const VARIATION: f64 = 0.2;

/// Above this share of exchanges not yet seen the mean says nothing.
const MISSING: f64 = 0.1;

/// So many times more in flight than is explained are no chance: in a first window of 30 samples it is off by a fifth.
const UNEXPLAINED: f64 = 2.0;

/// Above this share of clients that left the lower quartile may be their patience too.
const CENSORED: f64 = 0.5;

/// The mode changes at a coefficient of variation this much beyond the border, lest it flap.
const HYSTERESIS: f64 = 1.1;

/// What is known from one kind of signal: the open window, and the time that an exchange takes when it need not wait.
#[derive(Clone, Debug)]
pub(super) struct Track {
    kind: Kind,
    window: Window,
    /// Samples in the window that are clients that left.
    left: u32,
    length: Length,
    baseline: Option<Level>,
    /// Of streams, so only where first tokens are the signal.
    rests: Rests,
    /// An operator has set the baseline, so it does not move.
    pinned: bool,
    /// The deviation that belongs to the baseline.
    deviation: Option<f64>,
    /// The coefficient of variation of the time without the wait.
    variation: Option<f64>,
    /// Above this the lower quartile is compared in place of the mean.
    border: f64,
    quartile: bool,
}

impl Track {
    pub(super) fn new(kind: Kind) -> Self {
        // Where the answer is part of the time, a mean follows the mix of answers already at a low variation.
        let border = match kind {
            Kind::FirstToken => 1.0,
            Kind::Latency => 0.45,
        };
        Self {
            kind,
            window: Window::new(),
            left: 0,
            length: Length::default(),
            baseline: None,
            rests: Rests::new(),
            pinned: false,
            deviation: None,
            variation: None,
            border,
            quartile: false,
        }
    }

    pub(super) fn pin(&mut self, baseline: f64) {
        self.baseline = Some(Level::both(baseline));
        self.pinned = true;
    }

    pub(super) fn is_pinned(&self) -> bool {
        self.pinned
    }

    pub(super) fn baseline(&self) -> Option<f64> {
        self.baseline.map(|level| level.of(self.quartile))
    }

    /// Takes over a baseline that was learned before.
    pub(super) fn restore(&mut self, baseline: f64) {
        if !self.pinned {
            self.baseline = Some(Level::both(baseline));
            self.deviation = None;
            // Which of them belong to it, nobody knows.
            self.rests = Rests::new();
        }
    }

    pub(super) fn add(&mut self, now: f64, admitted: f64, time: f64, length: Option<u32>, in_flight: u32) {
        if self.window.latest().is_some_and(|latest| now - latest > IDLE) {
            self.discard();
        }
        self.rests.forget_old(now);
        let level = self.length.level(length, time);
        self.window.add(now, admitted, level, in_flight);
    }

    /// Counts a client that left as a sample, if it waited longer than an exchange takes without a queue: the true time
    /// is at least as long. Without these a storm of impatient clients would leave no samples, and the limit would stay.
    pub(super) fn add_left(&mut self, now: f64, admitted: f64, waited: f64, in_flight: u32) {
        if self.baseline().is_some_and(|baseline| waited > baseline) {
            self.add(now, admitted, waited, None, in_flight);
            self.left = self.left.saturating_add(1);
        }
    }

    /// A stream took so long after its first content.
    pub(super) fn add_rest(&mut self, now: f64, rest: f64, in_flight: u32) {
        self.rests.add(now, rest, in_flight);
    }

    /// The shortest time that the window stays open while there are many samples.
    fn shortest(&self) -> f64 {
        self.baseline().map_or(SHORTEST, |baseline| (2.0 * baseline).clamp(SHORTEST, LONG))
    }

    pub(super) fn is_ready(&self) -> bool {
        let (count, age) = (self.window.count(), self.window.age());
        count >= SAMPLES && age >= self.shortest() || count >= FEW_SAMPLES && age >= LONGEST
    }

    /// Forgets the open window, and counts only exchanges that are admitted from `fresh` on.
    pub(super) fn open(&mut self, fresh: f64) {
        self.window.open(fresh);
        self.left = 0;
        self.length.discard();
    }

    /// Forgets the open window.
    pub(super) fn discard(&mut self) {
        self.window.reopen();
        self.left = 0;
        self.length.discard();
    }

    /// Closes the window. `limit` is the one under which its exchanges were admitted, `rate` that of departures, and so
    /// many are in flight now.
    pub(super) fn close(&mut self, limit: f64, rate: Option<f64>, in_flight: u32) -> Reading {
        let (peak, age) = (self.window.peak(), self.window.age());
        let unused = peak < UNUSED * limit;
        let left = f64::from(std::mem::take(&mut self.left)) / self.window.count().max(1.0);
        let censored = left > CENSORED;
        let Summary { mean, deviation, quartile, quartile_error, missing, count } =
            self.window.summary(!self.length.is_used());
        let samples = self.window.count();
        self.window.reopen();

        // Where the longest are not seen, only the quartile is known.
        let all_seen = missing.max(left) <= MISSING && !self.begins_with_short_ones(rate, mean, in_flight);
        let level = Level { mean: Some(mean).filter(|_| all_seen), quartile }.map(|time| time);
        let error =
            |of_quartile| if of_quartile { quartile_error } else { deviation / count.max(1.0).sqrt() };
        if all_seen {
            let of_quartile = self.quartile;
            let wait = self.baseline().map_or(0.0, |baseline| (level.of(of_quartile) - baseline).max(0.0));
            self.learn_variation(
                deviation / (mean - wait).max(level::SHORTEST),
                wait > SURE * error(of_quartile),
            );
        }
        let quartile = self.quartile || !all_seen;
        let (middle, error) = (level.of(quartile), error(quartile));
        let deviation = error * count.sqrt();

        let baseline = self.baseline.get_or_insert(level);
        if baseline.mean.is_none() {
            // What the quartile says of the wait holds for the mean.
            let wait = (level.quartile - baseline.quartile).max(0.0);
            baseline.mean = level.mean.map(|mean| (mean - wait).max(baseline.quartile));
        }
        let baseline = baseline.of(quartile);
        let slower = self.slower(quartile, middle).filter(|slower| {
            // Where clients leave before a time that long could end, it would explain any queue.
            middle > baseline + SURE * error && !(censored && *slower >= middle)
        });
        if slower.is_none() && !censored {
            // What changes little by little, or without a wait, is longer answers, or more in flight.
            self.rests.follow(FALL);
        }
        if middle + SURE * error < baseline {
            self.move_baseline(level, FALL);
        } else if unused && !censored {
            self.move_baseline(level, FOLLOW);
        }
        let calm_error = if quartile {
            error
        } else {
            let calm = self.deviation.get_or_insert(deviation);
            if middle <= baseline + SURE * error {
                *calm += VARIATION * (deviation - *calm);
            }
            calm.min(deviation) / count.max(1.0).sqrt()
        };
        let reading = Reading {
            kind: self.kind,
            level,
            quartile,
            middle,
            error,
            calm_error,
            explained: slower.is_some(),
            baseline: slower.or(self.baseline.map(|baseline| baseline.of(quartile))).unwrap_or(middle),
            // Streams may be so long that none of them has left yet; then those that start stand for them.
            rate: rate.unwrap_or_else(|| samples / age.max(SHORTEST)),
            count: count.max(1.0),
            age,
            peak,
            unused,
            censored,
        };
        self.close_lengths();
        reading
    }

    /// What streams take after their first content is longer only because so many are in flight, or for another reason than
    /// a slower upstream.
    pub(super) fn explains_nothing(&mut self) {
        self.rests.are_usual();
    }

    /// How much of a time is no wait, if the upstream is surely slower than when the baseline was learned.
    pub(super) fn slower(&self, quartile: bool, time: f64) -> Option<f64> {
        let baseline = self.baseline.filter(|_| !self.pinned)?.of(quartile);
        self.rests.scale(baseline).filter(|_| time > baseline).map(|slower| slower.min(time))
    }

    /// Whether the first windows have seen the shorter exchanges only: by Little's law, many more are in flight than these
    /// can be. (Streams are in flight for longer than to their first token in any case, and times that are compared at one
    /// length are not those that things were in flight for.)
    fn begins_with_short_ones(&self, rate: Option<f64>, mean: f64, in_flight: u32) -> bool {
        let explained = rate.map_or(f64::INFINITY, |rate| rate * mean);
        let known = self.kind != Kind::Latency
            || self.length.is_used()
            || self.baseline.is_some_and(|baseline| baseline.mean.is_some());
        !known && f64::from(in_flight) > UNEXPLAINED * explained
    }

    /// Moves the baseline under a limit that cannot be lower: faster where there is one exchange, which cannot wait for
    /// others of ours.
    pub(super) fn follow(&mut self, to: Level, limit: f64) {
        self.move_baseline(to, if limit < 2.0 { FALL } else { FOLLOW });
    }

    /// Moves the baseline by a share of the way.
    pub(super) fn move_baseline(&mut self, to: Level, share: f64) {
        if let Some(baseline) = self.baseline.as_mut().filter(|_| !self.pinned) {
            *baseline = baseline.towards(to, share);
            self.rests.follow(share);
        }
    }

    /// Waits vary too, so while there are some, the variation is learned slower upwards.
    fn learn_variation(&mut self, variation: f64, waits: bool) {
        let variation = match self.variation {
            Some(old) if waits && variation > old => old + 0.1 * VARIATION * (variation - old),
            Some(old) => old + VARIATION * (variation - old),
            None => variation,
        };
        self.variation = Some(variation);
        self.quartile =
            if self.quartile { variation * HYSTERESIS > self.border } else { variation > self.border };
    }

    fn close_lengths(&mut self) {
        let used = self.length.is_used();
        let longer = self.length.close();
        if let Some(baseline) = self.baseline.as_mut().filter(|_| !self.pinned) {
            *baseline = baseline.map(|time| time + longer);
        }
        if self.length.is_used() != used && !self.pinned {
            // What is left of the times has another shape, and another quartile.
            self.variation = None;
            if self.quartile {
                (self.baseline, self.deviation, self.rests) = (None, None, Rests::new());
            }
        }
    }
}
