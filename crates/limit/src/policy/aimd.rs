use std::time::{Duration, Instant};

use super::{Belief, Event, Observation, Policy, Reason, bounds::Bounds};

/// Additive increase, multiplicative decrease, as `AIMDLimit` of Netflix' concurrency-limits.
///
/// One more after each success that found at least half of the limit in use; a tenth less after each overload, and
/// after each success that took longer than the timeout. Whatever the signal is counts: time to the first token of
/// streams, latency of whole answers.
///
/// Without overloads and with a generous timeout nothing ever lowers it: it grows to the maximum.
#[derive(Clone, Debug)]
pub struct Aimd {
    limit: u32,
    bounds: Bounds,
    backoff: f64,
    timeout: Duration,
    reason: Reason,
}

impl Aimd {
    /// From 20, within 20 and 200, with a timeout of 5 s: the defaults of the original since it has bounds. Before, it began at
    /// 10, and fell by one at least; so it does here, as a tenth less is rounded down.
    #[must_use]
    pub fn new() -> Self {
        let bounds = Bounds::new(20, 200);
        Self { limit: 20, bounds, backoff: 0.9, timeout: Duration::from_secs(5), reason: Reason::Start }
    }

    /// The limit to begin with.
    #[must_use]
    pub fn initial(mut self, limit: u32) -> Self {
        self.limit = self.bounds.clamp(limit);
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
        self.limit = self.bounds.clamp(self.limit);
        self
    }

    /// A success that takes longer counts as an overload.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    fn set(&mut self, limit: u32, reason: Reason) {
        (self.limit, self.reason) = (self.bounds.clamp(limit), reason);
    }
}

impl Default for Aimd {
    fn default() -> Self {
        Self::new()
    }
}

impl Policy for Aimd {
    fn limit(&self) -> f64 {
        self.bounds.clamp(self.limit).into()
    }

    fn observe(&mut self, _: Instant, observation: &Observation) {
        let slow = match observation.event {
            Event::Overload => true,
            Event::Sample(sample) => sample.value > self.timeout,
            Event::Left { .. } | Event::Streamed { .. } | Event::Departure => return,
        };
        if slow {
            // The cast rounds down, as the original does.
            self.set((f64::from(self.limit) * self.backoff) as u32, Reason::Overload);
        } else if let Event::Sample(sample) = observation.event {
            if sample.in_flight.saturating_mul(2) >= self.limit {
                self.set(self.limit.saturating_add(1), Reason::Growth);
            } else {
                self.reason = Reason::Unused;
            }
        }
    }

    fn belief(&self) -> Belief {
        Belief::new(self.reason)
    }

    fn set_limit(&mut self, limit: f64) {
        self.set(limit as u32, Reason::Set);
    }
}
