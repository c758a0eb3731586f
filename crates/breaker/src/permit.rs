use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use dashpot_core::{Deadline, Outcome};
use http::Request;

use crate::{
    breakers::One,
    machine::{Shown, Ticket},
};

/// One admitted call, until its outcome is known.
///
/// Dropped without an [`end`](Self::end), nobody wants the answer any more. That is no failure, unless the upstream said
/// nothing for so long that it is the likely reason.
#[derive(Debug)]
pub(crate) struct Permit {
    one: Arc<One>,
    ticket: Ticket,
    deadline: Option<Deadline>,
    /// Since when the answer is waited for. The clock is read only when there is something to wait for.
    waits_since: Option<Instant>,
    /// Since when the upstream says nothing.
    silent_since: Option<Instant>,
    /// How long the answer took to begin.
    took: Option<Duration>,
    begun: bool,
    /// Whether content of a stream has come.
    has_begun: bool,
    over: bool,
}

impl Permit {
    #[inline]
    pub(crate) fn new(one: Arc<One>, ticket: Ticket) -> Self {
        Self {
            one,
            ticket,
            deadline: None,
            waits_since: None,
            silent_since: None,
            took: None,
            begun: false,
            has_begun: false,
            over: false,
        }
    }

    pub(crate) fn set_deadline<B>(&mut self, request: &Request<B>) {
        self.deadline = Deadline::of(request, now);
    }

    /// Nothing is there yet.
    #[inline]
    pub(crate) fn pending(&mut self) {
        if self.silent_since.is_none() {
            let now = now();
            self.silent_since = Some(now);
            self.waits_since.get_or_insert(now);
        }
    }

    /// Something has come.
    #[inline]
    pub(crate) fn progress(&mut self) {
        self.silent_since = None;
    }

    /// Whether the answer has not begun.
    #[inline]
    pub(crate) fn awaits_first(&self) -> bool {
        !self.begun
    }

    /// The answer begins: the first of it that can be used.
    pub(crate) fn first(&mut self) {
        self.begun = true;
        self.took = self.waits_since.map(|since| now().saturating_duration_since(since));
    }

    /// That is content of a stream which goes on. A probe shows with it that the upstream is back.
    pub(crate) fn streams(&mut self) {
        self.has_begun = true;
        let (ticket, told) = self.one.machine.begins(self.ticket, now);
        if ticket != self.ticket {
            self.ticket = ticket;
            self.one.tell(told, None);
            self.one.changed.notify_waiters();
        }
    }

    #[inline]
    pub(crate) fn end(mut self, outcome: Outcome) {
        self.over = true;
        self.record(match outcome {
            // The upstream keeps the same deadline as we do.
            Outcome::Overload { .. } if self.deadline.is_some() && self.is_hopeless(now()) => Shown::Ignored,
            Outcome::Success if self.is_slow() => Shown::Slow,
            Outcome::Success => Shown::Success,
            Outcome::Failure => self.failure(None),
            Outcome::Overload { retry_after } => self.failure(retry_after),
            Outcome::RateLimited { quota, retry_after } => Shown::RateLimited { quota, retry_after },
            Outcome::Ignored => Shown::Ignored,
        });
    }

    fn failure(&self, retry_after: Option<Duration>) -> Shown {
        Shown::Failure { retry_after, has_begun: self.has_begun }
    }

    /// Asked of successes only: what a caller did wrong is answered in no time, and must not become usual.
    fn is_slow(&self) -> bool {
        self.took.is_some_and(|took| self.one.machine.is_slow(self.ticket, took))
    }

    #[inline]
    fn record(&self, shown: Shown) {
        let (call, told, threshold) = self.one.machine.record(self.ticket, shown, now);
        self.one.tell_call(call);
        if told.is_some() || threshold.is_some() {
            self.one.tell(told, threshold);
        }
        if self.ticket.is_probe() {
            // Whatever it has shown, there is a place now.
            self.one.changed.notify_waiters();
        }
    }

    /// Whether it is the upstream's fault that nobody waits any longer.
    fn is_hung(&self) -> bool {
        // Otherwise nobody waits for it: what has come was not fetched, or it was not even asked.
        let Some(since) = self.silent_since else { return false };
        let now = now();
        now.saturating_duration_since(since) >= self.one.machine.rules().silence
            || !self.begun
                && self.deadline.is_some_and(|deadline| deadline.is_past(now))
                && !self.is_hopeless(now)
    }

    /// Whether the call's deadline has passed, and was too near for any answer: a client may ask for what cannot be.
    fn is_hopeless(&self, now: Instant) -> bool {
        let waited = self.waits_since.map(|since| now.saturating_duration_since(since)).unwrap_or_default();
        self.deadline.is_some_and(|deadline| {
            let is_enough = self.one.machine.is_time_enough(waited);
            deadline.is_past(now) && !is_enough.unwrap_or(!deadline.is_wished())
        })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.over {
            let is_hung = self.is_hung();
            self.record(if is_hung { self.failure(None) } else { Shown::Ignored });
        }
    }
}

/// The time, on the clock that tests can pause.
#[inline]
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
