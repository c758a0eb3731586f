mod transitions;
mod views;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    Call, Reason, Transition,
    atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    baseline::Baseline,
    past::Past,
    rules::Rules,
    streak::Streak,
    window::{BUCKETS, Moment, Window},
    word::{Control, Phase, Probe, State, Word},
};

/// The breaker itself, told the time.
///
/// While it is closed a call is one load at its begin, and at its end one operation on a bucket of the window. Whatever
/// changes the state takes a lock, which those that only ask never do.
#[derive(Debug)]
pub(crate) struct Machine {
    word: Word,
    /// In nanoseconds since `origin`: until when it is open; when probes that are out are given up; when a recovery began.
    mark: AtomicU64,
    window: Window,
    streak: Streak,
    baseline: Baseline,
    /// Requests of a recovery, by which it is decided who belongs to the admitted share.
    turn: AtomicU32,
    refused: AtomicU64,
    late: AtomicU64,
    past: Mutex<Past>,
    rules: Arc<Rules>,
    origin: Instant,
}

/// What an admitted call belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    generation: u32,
    probe: Option<u8>,
}

/// A call is not admitted, and has a chance after this time if that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused(pub(crate) Option<Duration>);

/// What a call showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    Success,
    Slow,
    Failure { retry_after: Option<Duration> },
    RateLimited { quota: bool, retry_after: Option<Duration> },
    Ignored,
}

/// What has changed, if others may want to know.
pub(crate) type Told = Option<Transition>;

impl Machine {
    pub(crate) fn new(rules: Arc<Rules>, origin: Instant, seed: u64) -> Self {
        Self {
            word: Word::new(State::new(Phase::Closed, Control::Automatic, 0)),
            mark: AtomicU64::new(0),
            window: Window::new(),
            streak: Streak::default(),
            baseline: Baseline::default(),
            turn: AtomicU32::new(0),
            refused: AtomicU64::new(0),
            late: AtomicU64::new(0),
            past: Mutex::new(Past::new(seed)),
            rules,
            origin,
        }
    }

    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Whether a request that comes now is likely to be admitted: if it is not, it need not wait for anything.
    pub(crate) fn is_closed(&self) -> bool {
        let state = self.word.load();
        matches!(state.phase, Phase::Closed | Phase::Recovering) && state.control != Control::ForcedOpen
    }

    /// What a failure belongs to that no request has: as of a call, if those are likely to be admitted.
    pub(crate) fn unasked(&self) -> Option<Ticket> {
        let state = self.word.load();
        let is_closed = matches!(state.phase, Phase::Closed | Phase::Recovering);
        is_closed.then_some(Ticket { generation: state.generation, probe: None })
    }

    /// Decides about a call. Reads the clock only if it has to.
    #[inline]
    pub(crate) fn admit(&self, now: impl Fn() -> Instant) -> (Result<Ticket, Refused>, Told) {
        let state = self.word.load();
        if state.phase == Phase::Closed && state.control != Control::ForcedOpen {
            return (Ok(Ticket { generation: state.generation, probe: None }), None);
        }
        self.admit_unless_closed(now())
    }

    #[cold]
    fn admit_unless_closed(&self, now: Instant) -> (Result<Ticket, Refused>, Told) {
        let (mut told, nanos) = (None, self.nanos(now));
        loop {
            let state = self.word.load();
            let mark = self.mark.load(Relaxed);
            let left = Duration::from_nanos(mark.saturating_sub(nanos));
            let ticket = Ticket { generation: state.generation, probe: None };
            let refused = |after| {
                self.refused.fetch_add(1, Relaxed);
                Err(Refused(after))
            };
            match state.phase {
                _ if state.control == Control::ForcedOpen => return (refused(None), told),
                Phase::Closed => return (Ok(ticket), told),
                // Others have gone on from there meanwhile; one change is told of at a time.
                Phase::Open | Phase::Recovering if told.is_some() => return (refused(Some(left)), told),
                Phase::Open if nanos < mark => return (refused(Some(left)), told),
                Phase::Open => told = self.half_open(state, nanos),
                Phase::HalfOpen => {
                    if state.out == 0 && nanos >= mark {
                        // None is out, and so none is late: whoever goes now has all the time.
                        self.give_up_probes(state, nanos);
                        continue;
                    }
                    if let Some(probe) = self.word.send_probe(state.generation, |state| self.places(state)) {
                        return (Ok(Ticket { probe: Some(probe.round), ..ticket }), told);
                    }
                    if self.current(state.generation).is_none() {
                        continue;
                    }
                    if nanos < mark {
                        return (refused(Some(left)), told);
                    }
                    self.give_up_probes(state, nanos);
                }
                Phase::Recovering => {
                    let since = Duration::from_nanos(nanos.saturating_sub(mark));
                    if since >= self.rules.ramp {
                        told = self.recovered(state);
                    } else if self.is_among(since.div_duration_f64(self.rules.ramp)) {
                        return (Ok(ticket), told);
                    } else {
                        return (refused(Some(self.rules.ramp / 10)), told);
                    }
                }
            }
        }
    }

    /// 1, 2, 4 and so on at once, as more succeed.
    fn places(&self, state: State) -> u8 {
        1_u8.checked_shl(state.succeeded.into()).unwrap_or(u8::MAX).min(self.rules.probes)
    }

    /// Whether the next one is in the share of a recovery that is through by so much: from a tenth to all.
    ///
    /// Multiples of the golden ratio are spread evenly, so whatever the share is, those admitted are not in a row.
    fn is_among(&self, through: f64) -> bool {
        const GOLDEN: u32 = 0x9e37_79b9;
        let share = 0.1 + 0.9 * through;
        let turn = self.turn.fetch_add(1, Relaxed).wrapping_mul(GOLDEN);
        f64::from(turn) < share * f64::from(u32::MAX)
    }

    /// A call that was admitted is over.
    #[inline]
    pub(crate) fn record(
        &self,
        ticket: Ticket,
        shown: Shown,
        now: impl Fn() -> Instant,
    ) -> (Call, Told, Option<Reason>) {
        let state = self.word.load();
        let call = match shown {
            Shown::Success => Call::Success,
            Shown::Slow => Call::Slow,
            Shown::Failure { .. } => Call::Failure,
            Shown::RateLimited { .. } => Call::RateLimited,
            Shown::Ignored => Call::Ignored,
        };
        if state.generation != ticket.generation {
            self.late.fetch_add(1, Relaxed);
            return (Call::Late, None, None);
        }
        if state.control == Control::ForcedClosed {
            return (call, None, None);
        }
        let now = now();
        if let Some(round) = ticket.probe {
            let probe = Probe { generation: ticket.generation, round };
            return (call, self.probed(probe, shown, now), None);
        }
        let generation = ticket.generation;
        let at = self.moment(generation, now);
        let (reason, retry_after) = match shown {
            Shown::Success => {
                self.window.call(at, false);
                self.streak.broken(generation);
                return (call, None, None);
            }
            Shown::Ignored | Shown::RateLimited { quota: false, .. } => return (call, None, None),
            Shown::Slow => {
                self.window.call(at, false);
                self.window.slow(at);
                self.streak.broken(generation);
                let counts = self.window.counts(at);
                let trips = self.is_many(counts.slow, counts.calls, self.rules.slow_ratio);
                (trips.then_some(Reason::SlowRatio), None)
            }
            Shown::Failure { retry_after } => {
                self.window.call(at, true);
                let counts = self.window.counts(at);
                let reason = if self.streak.one_more(generation) >= self.rules.consecutive {
                    Some(Reason::Consecutive)
                } else {
                    self.is_many(counts.failed, counts.calls, self.rules.failure_ratio)
                        .then_some(Reason::FailureRatio)
                };
                (reason, retry_after)
            }
            Shown::RateLimited { quota: true, retry_after } => {
                (self.rules.quota_wait.map(|_| Reason::Quota), retry_after)
            }
        };
        let Some(reason) = reason else { return (call, None, None) };
        if state.control == Control::MetricsOnly {
            let is_new = self.past().threshold(self.nanos(now), self.rules.window);
            return (call, None, is_new.then_some(reason));
        }
        (call, self.open(generation, reason, retry_after, now), None)
    }

    fn is_many(&self, of: u64, calls: u64, ratio: f64) -> bool {
        calls >= self.rules.min_calls && of as f64 >= ratio * calls as f64
    }

    fn probed(&self, probe: Probe, shown: Shown, now: Instant) -> Told {
        let retry_after = match shown {
            Shown::Success => {
                let succeeded = self.word.probe_succeeded(probe)?;
                if succeeded >= self.rules.successes {
                    return self.recover(probe, now);
                }
                self.expect_more(probe, now);
                return None;
            }
            Shown::Ignored => {
                self.word.probe_undone(probe);
                return None;
            }
            Shown::Slow => None,
            Shown::Failure { retry_after } => retry_after,
            Shown::RateLimited { quota, retry_after } => {
                let is_quota = quota && self.rules.quota_wait.is_some();
                let reason = if is_quota { Reason::Quota } else { Reason::Probe };
                return self.open(probe.generation, reason, retry_after, now);
            }
        };
        self.open(probe.generation, Reason::Probe, retry_after, now)
    }

    fn past(&self) -> MutexGuard<'_, Past> {
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn moment(&self, generation: u32, now: Instant) -> Moment {
        let bucket = (self.rules.window.as_nanos() as u64 / BUCKETS).max(1);
        Moment { generation, epoch: self.nanos(now) / bucket }
    }

    fn nanos(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.origin).as_nanos() as u64
    }
}
