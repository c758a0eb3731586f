use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use dashpot_core::{Deadline, Outcome};

use crate::{
    budgets::Claim,
    limiter::Limiter,
    policy::{Event, Sample, Signal},
};

/// One slot, from admission until it is given back, and what is learned on the way.
///
/// Dropped without an [`end`](Self::end), it tells that whoever asked has left before anything came.
#[derive(Debug)]
pub(crate) struct Permit {
    limiter: Arc<Limiter>,
    claim: Claim,
    /// When it was admitted, if it is among those that are measured; the others read no clock.
    measured_from: Option<Instant>,
    in_flight: u32,
    deadline: Option<Deadline>,
    /// Whether the slot is still taken.
    held: bool,
    /// From admission until something came; zero if that was not measured.
    first: Option<Duration>,
    /// Whether the end was told.
    over: bool,
}

impl Permit {
    pub(crate) fn new(
        limiter: Arc<Limiter>,
        in_flight: u32,
        measured_from: Option<Instant>,
        claim: Claim,
    ) -> Self {
        Self {
            limiter,
            claim,
            measured_from,
            in_flight,
            deadline: None,
            held: true,
            first: None,
            over: false,
        }
    }

    /// `prompt` is its length where tokens are not counted, and nobody else looks at a cost: for one field less, since a
    /// permit is moved often.
    pub(crate) fn with(mut self, deadline: Option<Deadline>, prompt: Option<u32>) -> Self {
        self.deadline = deadline;
        self.claim.cost = self.claim.cost.or(prompt);
        self
    }

    /// Gives the slot back as if it had never been taken.
    pub(crate) fn undo(mut self) {
        (self.held, self.over) = (false, true);
        self.limiter.undo(self.claim);
    }

    /// As [`undo`](Self::undo), for whoever comes next.
    pub(crate) fn pass_on(self) {
        let limiter = self.limiter.clone();
        self.undo();
        limiter.wake();
    }

    /// Whether nothing that can be used has come yet.
    pub(crate) fn awaits_first(&self) -> bool {
        self.first.is_none()
    }

    /// The first that can be used has come. If that is the signal it is told right away: a stream may go on for minutes.
    pub(crate) fn first(&mut self, signal: Option<Signal>) {
        let Some(admitted) = self.measured_from else {
            self.first = Some(Duration::ZERO);
            return;
        };
        let now = now();
        let value = now.saturating_duration_since(admitted);
        self.first = Some(value);
        if let Some(signal) = signal {
            self.limiter.try_report(now, self.sample(admitted, signal, value));
        }
    }

    /// Gives the slot back, once.
    pub(crate) fn release(&mut self) {
        if self.held {
            self.held = false;
            self.limiter.release(self.claim);
        }
    }

    /// The exchange is over, with this outcome. `latency` is the signal of an answer that came whole; a stream's is its
    /// first content, or none.
    pub(crate) fn end(mut self, outcome: Outcome, latency: Option<Signal>) {
        self.over = true;
        self.release();
        if let Outcome::Overload { .. } = outcome {
            let now = now();
            if !self.deadline.is_some_and(|deadline| deadline.is_past(now)) {
                self.limiter.report(now, Event::Overload);
            } else if let Some(admitted) = self.measured_from {
                // The upstream keeps the same deadline as we do.
                self.limiter.cut_off(now, admitted);
            }
        } else if let Some(admitted) = self.measured_from {
            let now = now();
            let event = match latency {
                Some(signal) if outcome == Outcome::Success => {
                    let value = self.first.unwrap_or_else(|| now.saturating_duration_since(admitted));
                    self.sample(admitted, signal, value)
                }
                None if outcome == Outcome::Success => self.first.map_or(Event::Departure, |first| {
                    let all = now.saturating_duration_since(admitted);
                    Event::Streamed { rest: all.saturating_sub(first) }
                }),
                _ => Event::Departure,
            };
            self.limiter.try_report(now, event);
        }
    }

    fn sample(&self, admitted: Instant, signal: Signal, value: Duration) -> Event {
        let (in_flight, prompt) = (self.in_flight, self.claim.cost);
        Event::Sample(Sample { signal, value, admitted, in_flight, prompt })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.release();
        if self.over {
            return;
        }
        let Some(admitted) = self.measured_from else { return };
        let now = now();
        if self.deadline.is_some_and(|deadline| deadline.is_past(now)) {
            // A layer further out has cut the exchange off in time: no client's whim, but an upstream that is too slow.
            self.limiter.cut_off(now, admitted);
        } else {
            let waited = now.saturating_duration_since(admitted);
            self.limiter.try_report(now, Event::Left { admitted, waited });
        }
    }
}

/// The time, on the clock that tests can pause.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
