use std::time::{Duration, Instant};

use super::{Machine, Ticket};
use crate::{
    atomic::Ordering::Relaxed,
    event::BreakerState,
    rules::Slow,
    stats::Stats,
    window::Counts,
    word::{Control, Phase},
};

/// What is known, for those who ask.
impl Machine {
    /// Whether it is as good as new: a key that has one like this can be forgotten.
    pub(crate) fn is_idle(&self, now: Instant) -> bool {
        let state = self.word.load();
        let past = self.past();
        let rested = Duration::from_nanos(self.nanos(now).saturating_sub(past.closed_at));
        let is_closed = match state.phase {
            Phase::Closed => true,
            // Nobody has come to see that it is over.
            Phase::Recovering => rested >= self.rules.ramp,
            Phase::Open | Phase::HalfOpen => false,
        };
        is_closed
            && state.control == Control::Automatic
            && (past.attempt == 0 || past.is_made_good(&self.rules, self.nanos(now)))
            && self.window.counts(self.moment(state.generation, now)) == Counts::default()
    }

    pub(crate) fn stats(&self, now: Instant) -> Stats {
        let past = self.past();
        let state = self.word.load();
        let counts = self.window.counts(self.moment(state.generation, now));
        let left = self.mark.load(Relaxed).saturating_sub(self.nanos(now));
        let is_open = state.phase == Phase::Open && state.control != Control::ForcedOpen;
        Stats {
            state: state.phase.into(),
            control: state.control.into(),
            calls: counts.calls,
            failed: counts.failed,
            slow: counts.slow,
            open_for: is_open.then(|| Duration::from_nanos(left)),
            probes: state.out,
            attempt: past.attempt,
            last: past.last,
            baseline: self.baseline.mean(),
            held: 0,
            opened: past.opened,
            refused: self.refused.load(Relaxed),
            late: self.late.load(Relaxed),
        }
    }

    /// An answer that succeeded had begun after so long: whether that was slow. One of an earlier state teaches nothing.
    pub(crate) fn is_slow(&self, ticket: Ticket, took: Duration) -> bool {
        if self.current(ticket.generation).is_none() {
            return false;
        }
        let factor = match self.rules.slow {
            Some(Slow::TimesBaseline(factor)) => factor,
            // How long answers take is of use all the same.
            Some(Slow::Than(_)) | None => f64::INFINITY,
        };
        let is_slower = self.baseline.is_slow(factor, took, ticket.probe.is_some());
        match self.rules.slow {
            Some(Slow::Than(bound)) => took > bound,
            Some(Slow::TimesBaseline(_)) => is_slower,
            None => false,
        }
    }

    /// How long answers take to begin, if that is known.
    pub(crate) fn usual(&self) -> Option<Duration> {
        self.baseline.mean()
    }

    /// Whether an answer could have begun within this time: twice what is usual; `None` if that is not known.
    pub(crate) fn is_time_enough(&self, waited: Duration) -> Option<bool> {
        self.baseline.mean().map(|usual| waited >= usual.saturating_mul(2))
    }
}

impl From<Phase> for BreakerState {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Closed => Self::Closed,
            Phase::Open => Self::Open,
            Phase::HalfOpen => Self::HalfOpen,
            Phase::Recovering => Self::Recovering,
        }
    }
}
