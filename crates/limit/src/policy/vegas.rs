use std::time::{Duration, Instant};

use super::{Belief, Event, Observation, Policy, Reason, bounds::Bounds};

/// So many samples for each exchange of the limit, times a jitter of a half to one, and the shortest time is forgotten.
const PROBE_AFTER: f64 = 30.0;

/// Delay-based control, as `VegasLimit` of Netflix' concurrency-limits, after TCP Vegas (Brakmo and Peterson, 1994).
///
/// The queue is taken to be `limit * (1 - shortest / latest)`, rounded up. Up to `log10(limit)` the limit grows by
/// `6 log10(limit)`; below `3 log10(limit)` by `log10(limit)`; above `6 log10(limit)`, and after an overload, it falls by
/// `log10(limit)`; logarithms are whole, and one at least.
///
/// It compares single samples with the shortest one. Where the time varies for its own reasons, as that of a model
/// does, most samples seem to have queued, and the limit starves.
///
/// What differs: an overload has no time here. In the original it counts towards the samples after which the shortest
/// time is forgotten, and may itself be that time, or become the shortest; then the limit does not fall. And the number of
/// those samples, 15 to 30 for each exchange of the limit, follows a fixed sequence where the original draws it at random.
#[derive(Clone, Debug)]
pub struct Vegas {
    limit: f64,
    bounds: Bounds,
    shortest: Option<Duration>,
    samples: f64,
    /// Steps through a sequence without a pattern: a jitter that needs no randomness.
    jitter: f64,
    queue: Option<f64>,
    reason: Reason,
}

impl Vegas {
    /// From 20, within 1 and 1000: the defaults of the original.
    #[must_use]
    pub fn new() -> Self {
        Self {
            limit: 20.0,
            bounds: Bounds::new(1, 1000),
            shortest: None,
            samples: 0.0,
            jitter: 0.5,
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

    fn sample(&mut self, value: Duration, in_flight: u32) {
        self.samples += 1.0;
        if self.samples >= (0.5 + self.jitter / 2.0) * PROBE_AFTER * self.limit {
            (self.samples, self.shortest, self.reason) = (0.0, Some(value), Reason::Probe);
            self.jitter = (self.jitter + 0.618_033_988_749_895).fract();
            return;
        }
        let Some(shortest) = self.shortest.filter(|&shortest| value >= shortest) else {
            self.shortest = Some(value);
            return;
        };
        let queue = (self.limit * (1.0 - shortest.as_secs_f64() / value.as_secs_f64().max(1e-9))).ceil();
        self.queue = Some(queue);
        if f64::from(in_flight) * 2.0 < self.limit {
            self.reason = Reason::Unused;
            return;
        }
        let log = self.log();
        if queue <= log {
            self.set(self.limit + 6.0 * log, Reason::Growth);
        } else if queue < 3.0 * log {
            self.set(self.limit + log, Reason::Growth);
        } else if queue > 6.0 * log {
            self.set(self.limit - log, Reason::Queue);
        } else {
            self.reason = Reason::Balance;
        }
    }

    fn log(&self) -> f64 {
        self.limit.log10().floor().max(1.0)
    }

    fn set(&mut self, limit: f64, reason: Reason) {
        (self.limit, self.reason) = (self.bounds.clamp_f64(limit), reason);
    }
}

impl Default for Vegas {
    fn default() -> Self {
        Self::new()
    }
}

impl Policy for Vegas {
    fn limit(&self) -> f64 {
        self.bounds.clamp_f64(self.limit)
    }

    fn observe(&mut self, _: Instant, observation: &Observation) {
        match observation.event {
            Event::Sample(sample) => self.sample(sample.value, sample.in_flight),
            Event::Overload => self.set(self.limit - self.log(), Reason::Overload),
            Event::Left { .. } | Event::Streamed { .. } | Event::Departure => {}
        }
    }

    fn belief(&self) -> Belief {
        Belief { baseline: self.shortest, queue: self.queue, reason: self.reason }
    }

    fn set_limit(&mut self, limit: f64) {
        self.set(limit, Reason::Set);
    }
}
