use crate::atomic::{AtomicU64, Ordering};

/// What the breaker does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Closed,
    Open,
    HalfOpen,
    Recovering,
}

/// Whether an operator has taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    Automatic,
    ForcedOpen,
    ForcedClosed,
    MetricsOnly,
}

/// All that a request is judged by, and all that probes change: one word, so that no two of its parts disagree.
///
/// The phase in the lowest 2 bits, the control in 2, probes that succeeded in 8, probes that are out in 8, the round of
/// probes in 8, the generation in the highest 32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) phase: Phase,
    pub(crate) control: Control,
    /// Changes with every transition but the end of a recovery: what was admitted in another says nothing about this one.
    pub(crate) generation: u32,
    /// Changes when probes that are out for too long are no longer waited for.
    pub(crate) round: u8,
    /// Probes of this round whose outcome is not known.
    pub(crate) out: u8,
    /// Probes of this generation that succeeded.
    pub(crate) succeeded: u8,
}

impl State {
    pub(crate) const fn new(phase: Phase, control: Control, generation: u32) -> Self {
        Self { phase, control, generation, round: 0, out: 0, succeeded: 0 }
    }

    const fn pack(self) -> u64 {
        self.phase as u64
            | (self.control as u64) << 2
            | (self.succeeded as u64) << 4
            | (self.out as u64) << 12
            | (self.round as u64) << 20
            | (self.generation as u64) << 32
    }

    const fn unpack(word: u64) -> Self {
        Self {
            phase: match word & 3 {
                0 => Phase::Closed,
                1 => Phase::Open,
                2 => Phase::HalfOpen,
                _ => Phase::Recovering,
            },
            control: match word >> 2 & 3 {
                0 => Control::Automatic,
                1 => Control::ForcedOpen,
                2 => Control::ForcedClosed,
                _ => Control::MetricsOnly,
            },
            generation: (word >> 32) as u32,
            round: (word >> 20) as u8,
            out: (word >> 12) as u8,
            succeeded: (word >> 4) as u8,
        }
    }
}

/// A probe's place: in which generation, and in which of its rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Probe {
    pub(crate) generation: u32,
    pub(crate) round: u8,
}

/// The state, as threads share it. Transitions are made under a lock by [`set`](Self::set); probes change their counts
/// without.
#[derive(Debug)]
pub(crate) struct Word(AtomicU64);

impl Word {
    pub(crate) fn new(state: State) -> Self {
        Self(AtomicU64::new(state.pack()))
    }

    /// What was written before the state, such as until when it is open, is seen with it.
    #[inline]
    pub(crate) fn load(&self) -> State {
        State::unpack(self.0.load(Ordering::Acquire))
    }

    /// Takes one of `allowed` places in this generation: of a probe that may be sent now.
    pub(crate) fn send_probe(&self, generation: u32, allowed: impl Fn(State) -> u8) -> Option<Probe> {
        let state = self.change(|state| {
            let may = is_probing(state, generation) && state.out < allowed(state);
            may.then(|| State { out: state.out + 1, ..state })
        })?;
        Some(Probe { generation, round: state.round })
    }

    /// A probe is back with a success: how many there are now, unless its generation is over.
    pub(crate) fn probe_succeeded(&self, probe: Probe) -> Option<u8> {
        let state = self.change(|state| {
            let succeeded = state.succeeded.saturating_add(1);
            is_probing(state, probe.generation).then(|| State { succeeded, ..without(state, probe) })
        })?;
        Some(state.succeeded)
    }

    /// A probe is back, and shows nothing: another may take its place.
    pub(crate) fn probe_undone(&self, probe: Probe) {
        self.change(|state| is_probing(state, probe.generation).then(|| without(state, probe)));
    }

    /// The new state, unless there is none from what it is now.
    pub(crate) fn change(&self, to: impl Fn(State) -> Option<State>) -> Option<State> {
        let mut seen = self.0.load(Ordering::Acquire);
        loop {
            let state = State::unpack(seen);
            let next = to(state)?;
            match self.0.compare_exchange(seen, next.pack(), Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(next),
                Err(now) => seen = now,
            }
        }
    }
}

fn is_probing(state: State, generation: u32) -> bool {
    state.phase == Phase::HalfOpen && state.generation == generation
}

/// One of an earlier round is not among those that are out.
fn without(state: State, probe: Probe) -> State {
    let own = u8::from(state.round == probe.round);
    State { out: state.out.saturating_sub(own), ..state }
}
