//! What the machine must do: plain, slow, and of one thread; lists of calls, and no words.

use std::time::Duration;

use crate::{
    BreakerState, Call, Reason,
    machine::{Shown, Ticket, Told},
    rules::Rules,
    window::Counts,
    word::Control,
};

/// A call that is under way: what it was admitted in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    pub(super) ticket: Ticket,
    pub(super) generation: u32,
    pub(super) round: Option<u64>,
}

#[derive(Debug)]
struct Over {
    generation: u32,
    epoch: u64,
    failed: bool,
    slow: bool,
}

/// What must be true, in nanoseconds.
pub(super) struct Spec {
    rules: Rules,
    pub(super) now: u64,
    pub(super) state: BreakerState,
    pub(super) control: Control,
    pub(super) generation: u32,
    pub(super) open: Vec<Open>,
    over: Vec<Over>,
    /// In quarters.
    streak: u32,
    /// A stream that had begun broke off, and so it opened.
    breaks_off: bool,
    round: u64,
    succeeded: u32,
    /// The end of the wait, or of the patience with probes, or the begin of a recovery.
    pub(super) mark: u64,
    wait: Duration,
    pub(super) attempt: u32,
    closed_at: u64,
    told_at: Option<u64>,
    pub(super) opened: u64,
    pub(super) refused: u64,
    pub(super) late: u64,
}

/// From, to, and why.
pub(super) type Change = Option<(BreakerState, BreakerState, Reason)>;

impl Spec {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            rules,
            now: 0,
            state: BreakerState::Closed,
            control: Control::Automatic,
            generation: 0,
            open: Vec::new(),
            over: Vec::new(),
            streak: 0,
            breaks_off: false,
            round: 0,
            succeeded: 0,
            mark: 0,
            wait: Duration::ZERO,
            attempt: 0,
            closed_at: 0,
            told_at: None,
            opened: 0,
            refused: 0,
            late: 0,
        }
    }

    fn enter(&mut self, to: BreakerState, reason: Reason) -> Change {
        let from = std::mem::replace(&mut self.state, to);
        (self.generation, self.round, self.succeeded, self.streak) = (self.generation + 1, 0, 0, 0);
        self.opened += u64::from(to == BreakerState::Open && from != BreakerState::Open);
        Some((from, to, reason))
    }

    fn be_patient(&mut self) {
        self.mark = self.now + 2 * self.wait.clamp(self.rules.wait, self.rules.max_wait).as_nanos() as u64;
    }

    pub(super) fn out(&self) -> usize {
        let is_out = |call: &&Open| call.generation == self.generation && call.round == Some(self.round);
        self.open.iter().filter(is_out).count()
    }

    /// Whether it must be admitted, if that is certain, and as a probe of which round.
    pub(super) fn admit(&mut self) -> (Option<bool>, Option<u64>, Change) {
        let mut change = None;
        if self.control == Control::ForcedOpen {
            return (Some(false), None, None);
        }
        if self.state == BreakerState::Open && self.now >= self.mark {
            change = self.enter(BreakerState::HalfOpen, Reason::Waited);
            self.be_patient();
        }
        let since = self.now - self.mark.min(self.now);
        if self.state == BreakerState::Recovering && since >= self.rules.ramp.as_nanos() as u64 {
            self.state = BreakerState::Closed;
            change = Some((BreakerState::Recovering, BreakerState::Closed, Reason::Recovered));
        }
        match self.state {
            BreakerState::Closed => (Some(true), None, change),
            BreakerState::Open => (Some(false), None, change),
            BreakerState::Recovering => (None, None, change),
            BreakerState::HalfOpen => {
                let places = usize::from(self.rules.probes).min(1 << self.succeeded);
                if self.out() == 0 && self.now >= self.mark {
                    self.be_patient();
                }
                if self.out() >= places {
                    if self.now < self.mark {
                        return (Some(false), None, change);
                    }
                    self.round += 1;
                    self.be_patient();
                }
                (Some(true), Some(self.round), change)
            }
        }
    }

    pub(super) fn counts(&self) -> Counts {
        let epoch = self.epoch();
        let within = |call: &&Over| call.generation == self.generation && call.epoch + 10 > epoch;
        let calls: Vec<_> = self.over.iter().filter(within).collect();
        let count = |is: fn(&Over) -> bool| calls.iter().filter(|call| is(call)).count() as u64;
        Counts { calls: count(|_| true), failed: count(|call| call.failed), slow: count(|call| call.slow) }
    }

    fn epoch(&self) -> u64 {
        self.now / (self.rules.window.as_nanos() as u64 / 10)
    }

    /// What the call counts as, and for which reason it opens. `told` is what the machine said: how long it waits is its
    /// own choice, within bounds.
    pub(super) fn record(
        &mut self,
        call: Open,
        shown: Shown,
        told: Told,
    ) -> (Option<Call>, Change, Option<Reason>) {
        let counts_as = match shown {
            Shown::Success => Call::Success,
            Shown::Slow => Call::Slow,
            Shown::Failure { .. } => Call::Failure,
            Shown::RateLimited { .. } => Call::RateLimited,
            Shown::Ignored => Call::Ignored,
        };
        if call.generation != self.generation {
            self.late += 1;
            return (Some(Call::Late), None, None);
        }
        if self.control == Control::ForcedClosed {
            return (Some(counts_as), None, None);
        }
        let (is_quota, hint) = match shown {
            Shown::RateLimited { quota, retry_after } => {
                (quota && self.rules.quota_wait.is_some(), retry_after)
            }
            Shown::Failure { retry_after, .. } => (false, retry_after),
            _ => (false, None),
        };
        let reason = if call.round.is_some() {
            match shown {
                Shown::Ignored => None,
                Shown::Success => return (Some(counts_as), self.one_more(), None),
                _ => Some(if is_quota { Reason::Quota } else { Reason::Probe }),
            }
        } else if self.state == BreakerState::HalfOpen {
            // A probe that had begun well.
            match shown {
                Shown::Ignored | Shown::Success => None,
                _ => Some(if is_quota { Reason::Quota } else { Reason::Probe }),
            }
        } else {
            self.count(shown, is_quota)
        };
        let Some(reason) = reason else { return (Some(counts_as), None, None) };
        if self.control == Control::MetricsOnly {
            let window = self.rules.window.as_nanos() as u64;
            let is_new = self.told_at.is_none_or(|at| self.now - at >= window);
            if is_new {
                self.told_at = Some(self.now);
            }
            return (Some(counts_as), None, is_new.then_some(reason));
        }
        self.breaks_off = matches!(shown, Shown::Failure { has_begun: true, .. });
        (Some(counts_as), self.opens(reason, hint, told), None)
    }

    /// A stream has begun: a probe has succeeded with that, unless those before it broke off.
    pub(super) fn begins(&mut self, index: usize) -> Change {
        let call = self.open[index];
        if self.breaks_off || call.round.is_none() || call.generation != self.generation {
            return None;
        }
        self.open[index].round = None;
        let change = self.one_more();
        self.open[index].generation = self.generation;
        change
    }

    fn one_more(&mut self) -> Change {
        self.succeeded += 1;
        if self.succeeded < u32::from(self.rules.successes) {
            self.be_patient();
            return None;
        }
        (self.mark, self.closed_at) = (self.now, self.now);
        self.enter(BreakerState::Recovering, Reason::Probed)
    }

    fn count(&mut self, shown: Shown, is_quota: bool) -> Option<Reason> {
        let (failed, slow) = (matches!(shown, Shown::Failure { .. }), shown == Shown::Slow);
        if !failed && !slow && shown != Shown::Success {
            return is_quota.then_some(Reason::Quota);
        }
        let (generation, epoch) = (self.generation, self.epoch());
        self.over.push(Over { generation, epoch, failed, slow });
        self.streak = match shown {
            Shown::Failure { has_begun: true, .. } => self.streak + 1,
            Shown::Failure { .. } => self.streak + 4,
            _ => 0,
        };
        let counts = self.counts();
        let is_many =
            |n: u64, ratio| counts.calls >= self.rules.min_calls && n as f64 >= ratio * counts.calls as f64;
        if self.streak >= 4 * self.rules.consecutive {
            Some(Reason::Consecutive)
        } else if failed && is_many(counts.failed, self.rules.failure_ratio) {
            Some(Reason::FailureRatio)
        } else if slow && is_many(counts.slow, self.rules.slow_ratio) {
            Some(Reason::SlowRatio)
        } else {
            None
        }
    }

    fn opens(&mut self, reason: Reason, hint: Option<Duration>, told: Told) -> Change {
        self.attempt = if self.was_well() { 1 } else { self.attempt + 1 };
        let doubled = (self.rules.wait * 2_u32.pow(self.attempt.min(20) - 1)).min(self.rules.max_wait);
        let quota = self.rules.quota_wait.filter(|_| reason == Reason::Quota);
        let asked = hint.or(quota).unwrap_or_default();
        let wait = told.and_then(|told| told.wait).expect("it opened, and says for how long");
        assert!(wait >= asked.max(doubled / 2), "{wait:?} is too short");
        assert!(wait <= (asked * 5 / 4).max(doubled * 3 / 2), "{wait:?} is too long");
        (self.wait, self.mark) = (wait, self.now + wait.as_nanos() as u64);
        self.enter(BreakerState::Open, reason)
    }

    fn was_well(&self) -> bool {
        matches!(self.state, BreakerState::Closed | BreakerState::Recovering)
            && self.now - self.closed_at
                >= 10 * self.wait.clamp(self.rules.wait, self.rules.max_wait).as_nanos() as u64
    }

    pub(super) fn take_over(&mut self, control: Control) -> Change {
        (self.control, self.attempt, self.mark) = (control, 0, u64::MAX);
        let is_open = control == Control::ForcedOpen;
        self.enter(if is_open { BreakerState::Open } else { BreakerState::Closed }, Reason::Operator)
    }

    pub(super) fn trip(&mut self, wait: Duration) -> Change {
        if self.control != Control::Automatic {
            return None;
        }
        let until = self.now + wait.as_nanos() as u64;
        self.attempt = if self.was_well() { 1 } else { self.attempt.max(1) };
        self.mark = if self.state == BreakerState::Open { until.max(self.mark) } else { until };
        self.wait = Duration::from_nanos(self.mark - self.now.min(self.mark));
        self.breaks_off = false;
        self.enter(BreakerState::Open, Reason::Tripped("a test"))
    }
}
