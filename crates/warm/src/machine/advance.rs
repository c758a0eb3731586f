use std::time::{Duration, Instant};

use super::{Load, Machine, Next, Phase, Rest, Step};
use crate::{
    policy::Keep,
    rules::{PROBE_TIMEOUT, STOP_TIMEOUT},
};

/// What time brings about.
impl Machine {
    /// Goes on as far as it can at this moment, and says what is to be done.
    pub(crate) fn advance(&mut self, now: Instant, load: Load) -> Next {
        self.count(now);
        self.note_unused(now, load);
        loop {
            let before = (self.phase, self.step);
            let wake_at = self.step_on(now, load);
            if before == (self.phase, self.step) {
                let is_resting = self.phase == Phase::Cold;
                let is_over = is_resting && wake_at.is_none();
                let is_up = matches!(
                    self.phase,
                    Phase::Probing(..)
                        | Phase::Priming(_)
                        | Phase::Ramping { .. }
                        | Phase::Warm
                        | Phase::Sleeping { .. }
                );
                return Next { due: self.step, wake_at, is_up, is_resting, is_over };
            }
        }
    }

    /// Whoever used it has gone: from here on it is idle.
    fn note_unused(&mut self, now: Instant, load: Load) {
        if load.is_none() && self.in_use {
            self.in_use = false;
            self.idle_since = Some(now);
            self.ask(now, |policy, now| policy.idle(now));
        }
    }

    /// One transition at most; when it wants to be asked again.
    fn step_on(&mut self, now: Instant, load: Load) -> Option<Instant> {
        match self.phase {
            // Cold -> Starting: somebody waits, has asked for it, or is expected.
            Phase::Cold => {
                let change = self.change_of_mind(now);
                if load.waiting > 0 || self.is_wanted(now) {
                    self.starts(now, false, load);
                }
                change
            }
            Phase::Sleeping { since } => {
                let change = self.change_of_mind(now);
                if load.waiting > 0 || self.is_wanted(now) {
                    self.starts(now, true, load);
                    return None;
                }
                // Sleeping -> Draining: it has slept for long enough.
                let until = self.rules.sleep.and_then(|sleep| since.checked_add(sleep));
                if until.is_some_and(|until| now >= until) {
                    self.enter(Phase::Draining { since: now, rest: Rest::Cold });
                    return None;
                }
                [change, until].into_iter().flatten().min()
            }
            Phase::Starting(attempt) | Phase::Probing(attempt, _) | Phase::Priming(attempt) => {
                // -> Failed: it takes too long.
                let late = attempt.began + self.rules.start_timeout;
                if now >= late {
                    self.fails(now, false);
                    return None;
                }
                let Phase::Probing(_, next) = self.phase else { return Some(late) };
                let Some(due) = self.step else {
                    if now < next {
                        return Some(next.min(late));
                    }
                    self.run(Step::Probe, now);
                    return None;
                };
                // One that hangs says nothing of the next one.
                let over = due.since + PROBE_TIMEOUT;
                if now >= over {
                    self.enter(Phase::Probing(attempt, now + self.rules.probe_every));
                    return None;
                }
                Some(over.min(late))
            }
            Phase::Ramping { since } => {
                // Ramping -> Warm: it has had its time.
                let end = since + self.rules.ramp.window;
                if now >= end {
                    self.enter(Phase::Warm);
                    return None;
                }
                if load.is_none() {
                    return self.rests_or_stays(now).map(|at| at.min(end)).or(Some(end));
                }
                if load.waiting > 0 {
                    let limit =
                        self.rules.ramp.limit(now.saturating_duration_since(since)).max(load.in_flight);
                    let more = (since + self.rules.ramp.exceeds(limit)).max(now + Duration::from_millis(1));
                    return Some(more.min(end));
                }
                Some(end)
            }
            Phase::Warm if load.is_none() => self.rests_or_stays(now),
            // Whether it is still used is looked at now and then, so that most requests need not say so.
            Phase::Warm => now.checked_add(self.resolution()),
            Phase::Draining { since, rest } => {
                if let Some(due) = self.step {
                    let late = due.since + STOP_TIMEOUT;
                    if now >= late {
                        self.enter(match due.step {
                            // It has not fallen asleep: it is stopped.
                            Step::Sleep => Phase::Draining { since, rest: Rest::Cold },
                            // -> Cold: nobody knows what became of the stop.
                            _ => Phase::Cold,
                        });
                        return None;
                    }
                    return Some(late);
                }
                let late = since + self.rules.drain;
                if load.in_flight > 0 && now < late {
                    return Some(late);
                }
                self.run(if rest == Rest::Asleep { Step::Sleep } else { Step::Stop }, now);
                None
            }
            Phase::Failed { since, until, is_clean } => {
                if !is_clean {
                    if let Some(due) = self.step {
                        let late = due.since + STOP_TIMEOUT;
                        if now >= late {
                            self.enter(Phase::Failed { since, until, is_clean: true });
                            return None;
                        }
                        return Some(late);
                    }
                    let late = since + self.rules.drain;
                    if load.in_flight > 0 && now < late {
                        return Some(late);
                    }
                    self.run(Step::Stop, now);
                    return None;
                }
                // Failed -> Cold: it may be tried again.
                if now >= until || self.closing {
                    self.enter(Phase::Cold);
                    return None;
                }
                Some(until)
            }
        }
    }

    /// Nobody uses it: if nobody wants it either it is put to rest.
    fn rests_or_stays(&mut self, now: Instant) -> Option<Instant> {
        let change = self.change_of_mind(now);
        if !self.is_wanted(now) {
            let rest = if self.rules.sleep.is_some() { Rest::Asleep } else { Rest::Cold };
            self.ends(now);
            self.enter(Phase::Draining { since: now, rest });
        }
        change
    }

    /// When what is wanted changes next, if nobody comes.
    fn change_of_mind(&mut self, now: Instant) -> Option<Instant> {
        if self.in_use {
            return None;
        }
        let wish = self.next_wish(now);
        let asked = self.asked_until.filter(|&until| now < until);
        let is_wished = asked.is_some() || self.is_wished(now);
        let (from, is_serving) = (self.idles_from().max(now), self.is_serving());
        let budget = self.budget.as_mut().filter(|_| is_wished).and_then(|budget| match budget.left(now) {
            // What is left runs out only while it is warm; when nothing is, some will come back.
            left if is_serving && (from > now || !left.is_zero()) => from.checked_add(left),
            left if left.is_zero() => budget.next(),
            _ => None,
        });
        [wish, asked, budget].into_iter().flatten().min()
    }

    fn next_wish(&mut self, now: Instant) -> Option<Instant> {
        let (from, keep) = self.wish;
        let passed = now.saturating_duration_since(from);
        if let Some(next) = keep.next(passed) {
            return from.checked_add(next);
        }
        if keep.wants(passed) || keep == Keep::NONE || self.closing {
            return None;
        }
        // It has run out: asked once, since a wish for nothing has no successor.
        self.ask(now, |policy, now| policy.later(now));
        self.wish.1.next(Duration::ZERO).and_then(|next| now.checked_add(next))
    }
}
