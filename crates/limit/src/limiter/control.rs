use std::{
    sync::{Arc, MutexGuard, PoisonError, TryLockError},
    time::Instant,
};

use super::{Limiter, whole};
use crate::{
    Policy,
    policy::{Event, Observation},
    rate::Rate,
    stats::Decision,
    word::{self, State, Word},
};

/// What is only touched when something is learned.
#[derive(Debug)]
pub(super) struct Control {
    pub(super) policy: Box<dyn Policy>,
    pub(super) frozen: bool,
    pub(super) decision: Decision,
    /// When the policy was last told something.
    pub(super) reported: Instant,
    /// The word's count at the last report.
    pub(super) departed: u32,
    pub(super) total_departed: u64,
    /// Of which the policy does not know yet.
    pub(super) untold: u32,
    pub(super) rate: Rate,
}

/// What the policy is told, and what it then says.
impl Limiter {
    /// Tells the policy, unless somebody else does so right now: one sample more or less does not matter.
    pub(crate) fn try_report(self: &Arc<Self>, now: Instant, event: Event) {
        match self.control.try_lock() {
            Ok(control) => self.report_to(control, now, event),
            Err(TryLockError::Poisoned(poisoned)) => self.report_to(poisoned.into_inner(), now, event),
            Err(TryLockError::WouldBlock) => {}
        }
    }

    /// An exchange's deadline passed before anything came. If it had less time than one takes that need not wait, that says
    /// nothing of the upstream: a client may ask for what cannot be.
    pub(crate) fn cut_off(self: &Arc<Self>, now: Instant, admitted: Instant) {
        let waited = now.saturating_duration_since(admitted);
        let control = self.control();
        let is_hopeless = control.policy.belief().baseline.is_some_and(|baseline| waited < baseline);
        let event = if is_hopeless { Event::Left { admitted, waited } } else { Event::Overload };
        self.report_to(control, now, event);
    }

    /// Tells the policy what it must not miss.
    pub(crate) fn report(self: &Arc<Self>, now: Instant, event: Event) {
        self.report_to(self.control(), now, event);
    }

    fn report_to(self: &Arc<Self>, mut control: MutexGuard<'_, Control>, now: Instant, event: Event) {
        let state = control.count(now, &self.word);
        let departed = std::mem::take(&mut control.untold);
        self.thinning.adapt(control.reported, now);
        control.reported = now;
        if control.frozen {
            return;
        }
        let observation = Observation { in_flight: state.in_flight, departed, event };
        control.policy.observe(now, &observation);
        self.apply(control, now);
    }

    /// Makes the policy's limit the one that counts.
    fn apply(self: &Arc<Self>, mut control: MutexGuard<'_, Control>, now: Instant) {
        let limit = whole(control.policy.limit());
        let belief = control.policy.belief();
        let before = control.decision.limit;
        let mut has_room = false;
        if limit != before {
            self.budgets.partitions.set_limit(limit);
            has_room = self.word.set_limit(limit);
            control.decision = Decision { at: now, limit, reason: belief.reason };
        } else if control.decision.reason != belief.reason {
            control.decision = Decision { at: now, limit, reason: belief.reason };
        }
        drop(control);
        if has_room {
            self.wake();
        }
        if limit != before {
            // Without the lock: a subscriber may look at the handle, or block.
            tracing::debug!(
                limit,
                before,
                reason = ?belief.reason,
                baseline = ?belief.baseline,
                queue = belief.queue,
                "limit changed"
            );
        }
    }

    pub(crate) fn with_policy<T>(self: &Arc<Self>, now: Instant, f: impl FnOnce(&mut dyn Policy) -> T) -> T {
        let mut control = self.control();
        let result = f(control.policy.as_mut());
        self.apply(control, now);
        result
    }

    pub(crate) fn freeze(&self, frozen: bool) {
        self.control().frozen = frozen;
    }

    pub(super) fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Control {
    /// The state now, and how many have left since the last time. Read under the lock: the count must not run backwards.
    pub(super) fn count(&mut self, now: Instant, word: &Word) -> State {
        let state = word.load();
        let more = word::departures(self.departed, state.departed);
        self.departed = state.departed;
        self.total_departed += u64::from(more);
        self.untold = self.untold.saturating_add(more);
        self.rate.departed(now, more);
        if state.waiting {
            self.rate.still_full(now);
        } else if 2 * (state.in_flight + more) <= state.limit {
            self.rate.slack();
        }
        state
    }
}
