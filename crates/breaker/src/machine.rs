mod transitions;
mod views;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    Call, Reason, Transition,
    atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
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
    /// Whether a stream broke off that had begun when it opened at last: then only its end shows that a probe did well.
    breaks_off: AtomicBool,
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

impl Ticket {
    pub(crate) fn is_probe(self) -> bool {
        self.probe.is_some()
    }
}

/// A call is not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// It has a chance after this time, if that is known.
    pub(crate) after: Option<Duration>,
    /// And none before: it is not that others are under way who may show that the upstream is back.
    pub(crate) is_sure: bool,
}

/// What a failure weighs in a row, and where a stream has begun and then broken off: there the upstream answers, and others
/// may be whole. So five that fail open it, or twenty that break off.
const WEIGHT: u32 = 4;
const WEIGHT_BROKEN: u32 = 1;

/// What a call showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    Success,
    Slow,
    /// With content of a stream before it, or without.
    Failure {
        retry_after: Option<Duration>,
        has_begun: bool,
    },
    RateLimited {
        quota: bool,
        retry_after: Option<Duration>,
    },
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
            breaks_off: AtomicBool::new(false),
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
            let refused = |after| Err(Refused { after: Some(after), is_sure: state.phase == Phase::Open });
            match state.phase {
                _ if state.control == Control::ForcedOpen => {
                    return (Err(Refused { after: None, is_sure: true }), told);
                }
                Phase::Closed => return (Ok(ticket), told),
                // Others have gone on from there meanwhile; one change is told of at a time.
                Phase::Open | Phase::Recovering if told.is_some() => return (refused(left), told),
                Phase::Open if nanos < mark => return (refused(left), told),
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
                        return (refused(left), told);
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
                        return (refused(self.rules.ramp / 10), told);
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

    /// A call that was not admitted is given up.
    pub(crate) fn refuse(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    /// Content of a stream has come: a probe has done well with that, unless streams broke off after it. Its end counts all the
    /// same, as that of a call of the state that it has led to; so the new ticket.
    ///
    /// Streams take long, and all others would wait for their end.
    pub(crate) fn begins(&self, ticket: Ticket, now: impl Fn() -> Instant) -> (Ticket, Told) {
        let Some(round) = ticket.probe else { return (ticket, None) };
        // How slow it was is judged at the end.
        if self.rules.slow.is_some() || self.breaks_off.load(Relaxed) {
            return (ticket, None);
        }
        let probe = Probe { generation: ticket.generation, round };
        let Some(succeeded) = self.word.probe_succeeded(probe) else { return (ticket, None) };
        let told = self.succeeded(probe, succeeded, now());
        let generation = ticket.generation.wrapping_add(u32::from(told.is_some()));
        (Ticket { generation, probe: None }, told)
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
        if state.phase == Phase::HalfOpen {
            // A probe that had begun well.
            return (call, self.failed(generation, shown, now), None);
        }
        let at = self.moment(generation, now);
        let (reason, retry_after, has_begun) = match shown {
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
                (trips.then_some(Reason::SlowRatio), None, false)
            }
            Shown::Failure { retry_after, has_begun } => {
                self.window.call(at, true);
                let counts = self.window.counts(at);
                let weight = if has_begun { WEIGHT_BROKEN } else { WEIGHT };
                let most = self.rules.consecutive.saturating_mul(WEIGHT);
                let reason = if self.streak.add(generation, weight) >= most {
                    Some(Reason::Consecutive)
                } else {
                    self.is_many(counts.failed, counts.calls, self.rules.failure_ratio)
                        .then_some(Reason::FailureRatio)
                };
                (reason, retry_after, has_begun)
            }
            Shown::RateLimited { quota: true, retry_after } => {
                (self.rules.quota_wait.map(|_| Reason::Quota), retry_after, false)
            }
        };
        let Some(reason) = reason else { return (call, None, None) };
        if state.control == Control::MetricsOnly {
            let is_new = self.past().threshold(self.nanos(now), self.rules.window);
            return (call, None, is_new.then_some(reason));
        }
        (call, self.open(generation, reason, retry_after, has_begun, now), None)
    }

    fn is_many(&self, of: u64, calls: u64, ratio: f64) -> bool {
        calls >= self.rules.min_calls && of as f64 >= ratio * calls as f64
    }

    fn probed(&self, probe: Probe, shown: Shown, now: Instant) -> Told {
        match shown {
            Shown::Success => {
                let succeeded = self.word.probe_succeeded(probe)?;
                self.succeeded(probe, succeeded, now)
            }
            Shown::Ignored => {
                self.word.probe_undone(probe);
                None
            }
            _ => self.failed(probe.generation, shown, now),
        }
    }

    fn succeeded(&self, probe: Probe, succeeded: u8, now: Instant) -> Told {
        if succeeded >= self.rules.successes {
            return self.recover(probe, now);
        }
        self.expect_more(probe, now);
        None
    }

    /// What a probe shows that has not done well.
    fn failed(&self, generation: u32, shown: Shown, now: Instant) -> Told {
        let (reason, retry_after, has_begun) = match shown {
            Shown::Success | Shown::Ignored => return None,
            Shown::Slow => (Reason::Probe, None, false),
            Shown::Failure { retry_after, has_begun } => (Reason::Probe, retry_after, has_begun),
            Shown::RateLimited { quota, retry_after } => {
                let is_quota = quota && self.rules.quota_wait.is_some();
                (if is_quota { Reason::Quota } else { Reason::Probe }, retry_after, false)
            }
        };
        self.open(generation, reason, retry_after, has_begun, now)
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
