use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

use super::{Arrival, Load, Machine, Phase, Rest, Step};
use crate::{
    policy::Keep,
    rules::{ASKED, SETTLED},
};

/// What happens to it.
impl Machine {
    /// A request has come, and is not counted in the load yet.
    pub(crate) fn arrives(&mut self, now: Instant, load: Load) -> Arrival {
        self.count(now);
        let idle = self.idle_since.take().map(|since| now.saturating_duration_since(since));
        if let Some(idle) = idle {
            let (moment, policy) = (self.moment(now), &mut *self.policy);
            // One that panics learns nothing.
            drop(catch_unwind(AssertUnwindSafe(|| policy.arrived(idle, moment))));
        }
        (self.in_use, self.is_prewarm) = (true, false);
        match self.phase {
            Phase::Warm => {
                // Where requests follow each other closely, looking now and then is exact enough.
                let is_exact = idle.is_some_and(|idle| idle >= self.resolution());
                return Arrival::Pass { is_exact };
            }
            Phase::Ramping { since } => {
                let limit = self.rules.ramp.limit(now.saturating_duration_since(since));
                if load.waiting == 0 && load.in_flight < limit {
                    return Arrival::Pass { is_exact: true };
                }
            }
            _ => {}
        }
        Arrival::Hold
    }

    /// A request has begun to wait.
    pub(crate) fn held(&mut self) {
        self.counters.held += 1;
    }

    /// A request cannot wait. It starts all the same, so that whoever comes again finds it ready.
    pub(crate) fn refused(&mut self) {
        self.counters.refused += 1;
        self.want();
    }

    /// Somebody would come if it were ready.
    pub(crate) fn want(&mut self) {
        self.owed = !self.is_serving() && !self.closing;
    }

    /// One has waited for too long.
    pub(crate) fn timed_out(&mut self) {
        self.counters.timed_out += 1;
    }

    /// A step is over.
    pub(crate) fn finished(&mut self, id: u64, is_ok: bool, now: Instant) {
        let Some(due) = self.step.filter(|due| due.id == id) else { return };
        match (self.phase, due.step) {
            // Starting -> Probing: it was told to, and will be.
            (Phase::Starting(mut attempt), Step::Start | Step::Wake) if is_ok => {
                (attempt.started, attempt.probed) = (now, now);
                self.enter(Phase::Probing(attempt, now));
            }
            // Probing -> Priming: it is up.
            (Phase::Probing(mut attempt, _), Step::Probe) if is_ok => {
                attempt.probed = now;
                self.enter(Phase::Priming(attempt));
                self.run(Step::Prime, now);
            }
            (Phase::Probing(attempt, _), Step::Probe) => {
                self.enter(Phase::Probing(attempt, now + self.rules.probe_every));
            }
            // Priming -> Ramping: a real inference has come back.
            (Phase::Priming(attempt), Step::Prime) if is_ok => self.is_ready(attempt, now),
            // -> Failed: it did not work.
            (Phase::Starting(_) | Phase::Priming(_), _) => self.fails(now, false),
            // Draining -> Sleeping
            (Phase::Draining { rest: Rest::Asleep, .. }, Step::Sleep) if is_ok => {
                self.enter(Phase::Sleeping { since: now });
            }
            // It will not sleep, or is not to any more, so it is stopped.
            (Phase::Draining { since, .. }, Step::Sleep) => {
                self.enter(Phase::Draining { since, rest: Rest::Cold });
            }
            // Draining -> Cold
            (Phase::Draining { .. }, _) => self.enter(Phase::Cold),
            (Phase::Failed { since, until, .. }, _) => {
                self.enter(Phase::Failed { since, until, is_clean: true });
            }
            _ => self.step = None,
        }
    }

    /// An answer shows that what was started then is not there any more.
    pub(crate) fn lost(&mut self, generation: u16, now: Instant) {
        if self.is_serving() && generation == self.generation {
            self.is_lost(now);
        }
    }

    /// It has ended by itself.
    pub(crate) fn exited(&mut self, now: Instant) {
        match self.phase {
            Phase::Probing(..) | Phase::Priming(_) => self.fails(now, false),
            Phase::Ramping { .. } | Phase::Warm => self.is_lost(now),
            Phase::Sleeping { .. } => self.enter(Phase::Cold),
            _ => {}
        }
    }

    fn is_lost(&mut self, now: Instant) {
        self.count(now);
        let ready = self.ready_at.map(|at| now.saturating_duration_since(at)).unwrap_or_default();
        // Not the policy's fault.
        self.is_prewarm = false;
        self.ends(now);
        self.counters.lost += 1;
        if ready < SETTLED {
            // -> Failed: it was ready in name only.
            self.fails(now, true);
        } else {
            // -> Cold: whoever comes next starts it.
            self.enter(Phase::Cold);
        }
    }

    /// Somebody wants it warm.
    pub(crate) fn warm(&mut self, now: Instant) {
        self.count(now);
        if self.is_serving() {
            self.asked_until = now.checked_add(ASKED);
        } else {
            self.asked = true;
        }
        self.ask(now, |policy, now| policy.idle(now));
    }

    /// The policy may begin, though nobody has come.
    pub(crate) fn begin(&mut self, now: Instant) {
        if !self.in_use && self.idle_since.is_none() && self.phase == Phase::Cold {
            self.ask(now, |policy, now| policy.begin(now));
        }
    }

    /// Somebody wants it cold, until somebody comes.
    pub(crate) fn cool(&mut self, now: Instant, load: Load) {
        self.count(now);
        (self.asked, self.owed, self.asked_until) = (false, false, None);
        self.wish = (now, Keep::NONE);
        // Those whose answers are still under way have been told that it ends: no wish follows from that.
        self.in_use = load.waiting > 0;
        match self.phase {
            Phase::Cold | Phase::Failed { is_clean: false, .. } => {}
            Phase::Failed { .. } => self.enter(Phase::Cold),
            Phase::Draining { ref mut rest, .. } => *rest = Rest::Cold,
            _ => {
                self.is_prewarm = false;
                self.ends(now);
                self.enter(Phase::Draining { since: now, rest: Rest::Cold });
            }
        }
    }

    /// Nobody will come any more.
    pub(crate) fn close(&mut self, now: Instant, load: Load) {
        self.closing = true;
        self.cool(now, load);
    }
}
