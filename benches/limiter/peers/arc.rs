use std::time::{Duration, Instant};

use crate::limit::policy::{Belief, Event, Observation, Policy, Reason};

// The original's defaults.
const INITIAL: u32 = 1;
const DECREASE: f64 = 0.9;
const ALPHA: f64 = 0.4;
const DEVIATIONS: f64 = 2.5;

/// The adaptive request concurrency of Vector (`adaptive_concurrency/controller.rs`, and `stats` for its averages).
///
/// What differs: a stream's time is that to its first token, and its end only moves the clock. An overload is the
/// original's back pressure.
#[derive(Clone, Debug)]
pub(crate) struct VectorArc {
    limit: u32,
    max: u32,
    in_flight: u32,
    past: Option<Past>,
    current: Mean,
    next_update: Option<Instant>,
    back_pressure: bool,
    reached_limit: bool,
    reason: Reason,
}

/// Seconds.
#[derive(Clone, Copy, Debug)]
struct Past {
    mean: f64,
    variance: f64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    mean: f64,
    count: f64,
}

impl VectorArc {
    pub(crate) fn new(max: u32) -> Self {
        Self {
            limit: INITIAL,
            max: max.max(INITIAL),
            in_flight: 0,
            past: None,
            current: Mean::default(),
            next_update: None,
            back_pressure: false,
            reached_limit: false,
            reason: Reason::Start,
        }
    }

    fn adjust(&mut self, past: Past, current: Option<f64>) {
        let threshold = past.variance.sqrt() * DEVIATIONS;
        let fast = current.is_some_and(|current| current <= past.mean);
        if self.limit < self.max && self.reached_limit && !self.back_pressure && fast {
            (self.limit, self.reason) = (self.limit + 1, Reason::Growth);
        } else if self.limit > 1 && (self.back_pressure || current.unwrap_or(0.0) >= past.mean + threshold) {
            self.limit = ((f64::from(self.limit) * DECREASE) as u32).max(1);
            self.reason = if self.back_pressure { Reason::Overload } else { Reason::Queue };
        } else {
            self.reason = if self.reached_limit { Reason::Balance } else { Reason::Unused };
        }
    }
}

impl Policy for VectorArc {
    fn limit(&self) -> f64 {
        self.limit.into()
    }

    fn observe(&mut self, now: Instant, observation: &Observation) {
        // The original looks at each admission. Nothing leaves between two reports, so the last admission between them
        // brought the most; without one there is no more in flight than after the report before.
        let before = observation.in_flight.saturating_add(observation.departed);
        self.reached_limit |= before > self.in_flight && before >= self.limit;
        self.in_flight = observation.in_flight;

        match observation.event {
            Event::Sample(sample) => self.current.add(sample.value.as_secs_f64()),
            Event::Overload => self.back_pressure = true,
            Event::Left { .. } | Event::Streamed { .. } | Event::Departure => {}
        }
        let current = self.current.get();
        let Some(past) = self.past else {
            // The first samples stay in the current average too.
            if let Some(mean) = current {
                self.past = Some(Past { mean, variance: 0.0 });
                self.next_update = after(now, mean);
            }
            return;
        };
        if self.next_update.is_some_and(|next| now >= next) {
            self.adjust(past, current);
            let past = current.map_or(past, |current| past.add(current));
            self.past = Some(past);
            self.next_update = after(now, past.mean);
            self.current = Mean::default();
            (self.back_pressure, self.reached_limit) = (false, false);
        }
    }

    fn belief(&self) -> Belief {
        let mut belief = Belief::new(self.reason);
        belief.baseline = self.past.and_then(|past| Duration::try_from_secs_f64(past.mean).ok());
        belief
    }

    fn set_limit(&mut self, limit: f64) {
        (self.limit, self.reason) = ((limit as u32).clamp(1, self.max), Reason::Set);
    }
}

fn after(now: Instant, seconds: f64) -> Option<Instant> {
    now.checked_add(Duration::try_from_secs_f64(seconds).ok()?)
}

impl Past {
    fn add(self, point: f64) -> Self {
        let difference = point - self.mean;
        let increment = ALPHA * difference;
        Self {
            mean: self.mean + increment,
            variance: (1.0 - ALPHA) * (self.variance + difference * increment),
        }
    }
}

impl Mean {
    fn add(&mut self, point: f64) {
        self.count += 1.0;
        self.mean += (point - self.mean) / self.count;
    }

    fn get(self) -> Option<f64> {
        (self.count > 0.0).then_some(self.mean)
    }
}
