use std::time::{Duration, Instant};

use super::{Machine, Told};
use crate::{
    Reason,
    atomic::Ordering::Relaxed,
    past::Past,
    word::{Control, Phase, Probe, State},
};

/// Whatever changes the state, under the lock.
impl Machine {
    /// From any state of this generation to open.
    pub(super) fn open(
        &self,
        generation: u32,
        reason: Reason,
        hint: Option<Duration>,
        has_begun: bool,
        now: Instant,
    ) -> Told {
        let mut past = self.past();
        let state = self.current(generation)?;
        let nanos = self.nanos(now);
        let wait = past.next_wait(&self.rules, state.phase, reason, hint, nanos);
        // With the lock: it is read by the probes of the state that this leads to.
        self.breaks_off.store(has_begun, Relaxed);
        self.enter(&mut past, state, Phase::Open, reason, now_plus(nanos, wait), Some(wait))
    }

    /// From open to half open, if nobody else has been there.
    pub(super) fn half_open(&self, seen: State, nanos: u64) -> Told {
        let mut past = self.past();
        let state = self.current(seen.generation)?;
        let until = now_plus(nanos, past.patience(&self.rules));
        self.enter(&mut past, state, Phase::HalfOpen, Reason::Waited, until, None)
    }

    /// Probes that take longer than that are no longer waited for, so that it is never stuck. What they show still counts.
    pub(super) fn give_up_probes(&self, seen: State, nanos: u64) {
        let past = self.past();
        // With the lock the mark is that of this round, and not one that was read before somebody else began it.
        let is_due = self.mark.load(Relaxed) <= nanos;
        if is_due && self.current(seen.generation).is_some() {
            self.mark.store(now_plus(nanos, past.patience(&self.rules)), Relaxed);
            self.word.change(|state| Some(State { round: state.round.wrapping_add(1), out: 0, ..state }));
        }
    }

    /// A probe succeeded: those that go next are waited for from now on.
    pub(super) fn expect_more(&self, probe: Probe, now: Instant) {
        let past = self.past();
        if self.current(probe.generation).is_some() {
            self.mark.store(now_plus(self.nanos(now), past.patience(&self.rules)), Relaxed);
        }
    }

    /// From half open to recovering.
    pub(super) fn recover(&self, probe: Probe, now: Instant) -> Told {
        let mut past = self.past();
        let state = self.current(probe.generation)?;
        let nanos = self.nanos(now);
        past.closed_at = nanos;
        self.enter(&mut past, state, Phase::Recovering, Reason::Probed, nanos, None)
    }

    /// From recovering to closed: the same generation, since all that was admitted meanwhile counts.
    pub(super) fn recovered(&self, seen: State) -> Told {
        let mut past = self.past();
        let state = self.current(seen.generation).filter(|state| state.phase == Phase::Recovering)?;
        self.word.change(|state| Some(State { phase: Phase::Closed, ..state }));
        Some(past.changed(state.phase, Phase::Closed, Reason::Recovered, None))
    }

    /// An operator's word.
    pub(crate) fn take_over(&self, control: Control) -> Told {
        let mut past = self.past();
        let state = self.word.load();
        past.attempt = 0;
        if control == Control::Automatic {
            self.baseline.forget();
        }
        let to = if control == Control::ForcedOpen { Phase::Open } else { Phase::Closed };
        self.enter(&mut past, State { control, ..state }, to, Reason::Operator, u64::MAX, None)
    }

    /// Somebody else's word: opens, until then at least.
    pub(crate) fn trip(&self, reason: &'static str, until: Instant, now: Instant) -> Told {
        let mut past = self.past();
        let state = self.word.load();
        if state.control != Control::Automatic {
            return None;
        }
        past.make_good(&self.rules, state.phase, self.nanos(now));
        self.breaks_off.store(false, Relaxed);
        past.attempt = past.attempt.max(1);
        let mut mark = now_plus(self.nanos(now), until.saturating_duration_since(now));
        if state.phase == Phase::Open {
            mark = mark.max(self.mark.load(Relaxed));
        }
        past.wait = Duration::from_nanos(mark.saturating_sub(self.nanos(now)));
        let wait = Some(past.wait);
        self.enter(&mut past, state, Phase::Open, Reason::Tripped(reason), mark, wait)
    }

    /// Writes a transition down, under the lock: the mark first, which is read after the state.
    fn enter(
        &self,
        past: &mut Past,
        from: State,
        to: Phase,
        reason: Reason,
        mark: u64,
        wait: Option<Duration>,
    ) -> Told {
        self.mark.store(mark, Relaxed);
        if matches!(to, Phase::Closed | Phase::Recovering) {
            self.window.clear();
        }
        let next = State::new(to, from.control, from.generation.wrapping_add(1));
        // Probes may come and go until here: that they did is of the generation that ends.
        self.word.change(|_| Some(next));
        Some(past.changed(from.phase, to, reason, wait))
    }

    /// The state, if it is still of this generation. It can then only change by probes, as long as the lock is held.
    pub(super) fn current(&self, generation: u32) -> Option<State> {
        let state = self.word.load();
        (state.generation == generation).then_some(state)
    }
}

fn now_plus(nanos: u64, wait: Duration) -> u64 {
    nanos.saturating_add(wait.as_nanos().try_into().unwrap_or(u64::MAX))
}
