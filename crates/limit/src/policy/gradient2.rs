use std::time::{Duration, Instant};

use super::{Belief, Event, Observation, Policy, Reason, bounds::Bounds};

/// A window ends after so long, and is judged if so many samples are in it; faster ones are not from the upstream.
const WINDOW: Duration = Duration::from_secs(1);
const ENOUGH: u32 = 10;
const FASTEST: Duration = Duration::from_micros(100);

/// The long average begins as a plain one over so many windows, and then has a memory of so many.
const WARM_UP: u32 = 10;
const MEMORY: f64 = 600.0;

const TOLERANCE: f64 = 1.5;
const SMOOTHING: f64 = 0.2;
const HEADROOM: f64 = 4.0;

/// The ratio of a long to a short average, as `Gradient2Limit` within `WindowedLimit` of Netflix' concurrency-limits.
///
/// Each second with ten samples, `limit = 0.8 limit + 0.2 (limit * gradient + 4)` with `gradient = 1.5 long / short`, within a half and
/// one. When `long` is more than twice `short` it is lowered by a twentieth.
///
/// The headroom is added even while the limit should fall, and a queue that stands for long becomes the long average:
/// under steady overload the limit drifts upward without end.
#[derive(Clone, Debug)]
pub struct Gradient2 {
    limit: f64,
    bounds: Bounds,
    long: f64,
    /// The sum of the first windows.
    warm_up: f64,
    windows: u32,
    window: Window,
    next: Option<Instant>,
    queue: Option<f64>,
    reason: Reason,
}

#[derive(Clone, Debug, Default)]
struct Window {
    samples: u32,
    sum: f64,
    in_flight: u32,
}

impl Gradient2 {
    /// From 20, within 20 and 200: the defaults of the original.
    #[must_use]
    pub fn new() -> Self {
        Self {
            limit: 20.0,
            bounds: Bounds::new(20, 200),
            long: 0.0,
            warm_up: 0.0,
            windows: 0,
            window: Window::default(),
            next: None,
            queue: None,
            reason: Reason::Start,
        }
    }

    /// The limit to begin with.
    #[must_use]
    pub fn initial(mut self, limit: u32) -> Self {
        self.limit = self.bounds.clamp_f64(limit.into());
        self
    }

    /// The lowest and the highest limit.
    ///
    /// # Panics
    ///
    /// If `min` is 0 or more than `max`.
    #[must_use]
    pub fn bounds(mut self, min: u32, max: u32) -> Self {
        self.bounds = Bounds::new(min, max);
        self.limit = self.bounds.clamp_f64(self.limit);
        self
    }

    fn judge(&mut self, short: f64, in_flight: u32) {
        self.windows = self.windows.saturating_add(1);
        if self.windows <= WARM_UP {
            // From the sum each time, so that what was lowered below does not last: so it is in the original.
            self.warm_up += short;
            self.long = self.warm_up / f64::from(self.windows);
        } else {
            self.long += 2.0 / (MEMORY + 1.0) * (short - self.long);
        }
        // As in the original, what is compared is the average before it is lowered.
        let long = self.long;
        if long > 2.0 * short {
            self.long *= 0.95;
        }
        if f64::from(in_flight) < self.limit / 2.0 {
            self.reason = Reason::Unused;
            return;
        }
        let gradient = (TOLERANCE * long / short).clamp(0.5, 1.0);
        self.queue = Some(self.limit * (1.0 - gradient));
        let limit = (1.0 - SMOOTHING) * self.limit + SMOOTHING * (self.limit * gradient + HEADROOM);
        let reason = if limit > self.limit { Reason::Growth } else { Reason::Queue };
        (self.limit, self.reason) = (self.bounds.clamp_f64(limit), reason);
    }
}

impl Default for Gradient2 {
    fn default() -> Self {
        Self::new()
    }
}

impl Policy for Gradient2 {
    fn limit(&self) -> f64 {
        self.bounds.clamp_f64(self.limit)
    }

    /// An overload has no time here. The original, which looks at nothing else of a drop, takes its time as a sample.
    fn observe(&mut self, now: Instant, observation: &Observation) {
        let Event::Sample(sample) = observation.event else { return };
        if sample.value < FASTEST {
            return;
        }
        let window = &mut self.window;
        window.samples += 1;
        window.sum += sample.value.as_secs_f64();
        window.in_flight = window.in_flight.max(sample.in_flight);
        // The first sample ends a window of its own.
        if self.next.is_none_or(|next| now > next) {
            let Window { samples, sum, in_flight } = std::mem::take(window);
            // The original takes twice the shortest time, within bounds that are both one second by default.
            self.next = now.checked_add(WINDOW);
            // What a thin window has seen is lost.
            if samples >= ENOUGH {
                self.judge(sum / f64::from(samples), in_flight);
            }
        }
    }

    fn belief(&self) -> Belief {
        let baseline = (self.windows > 0).then(|| Duration::try_from_secs_f64(self.long).ok()).flatten();
        Belief { baseline, queue: self.queue, reason: self.reason }
    }

    fn set_limit(&mut self, limit: f64) {
        (self.limit, self.reason) = (self.bounds.clamp_f64(limit), Reason::Set);
    }
}
