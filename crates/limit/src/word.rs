use super::atomic::{AtomicU64, Ordering::AcqRel, Ordering::Acquire};

/// The most that can be in flight at once, and so the highest limit.
pub(crate) const MAX: u32 = (1 << BITS) - 1;

const BITS: u32 = 20;
const LIMIT: u32 = BITS;
const WAITING: u64 = 1 << (2 * BITS);
const DEPARTED: u32 = 2 * BITS + 1;

/// Who is in flight, the limit, whether anybody waits, and how many have left, in one atomic word.
///
/// From the lowest bit: 20 bits in flight, 20 bits of limit, one that says that somebody waits, 23 bits that count
/// departures and wrap around. One operation decides and counts, so no slot is ever given twice; a departure is counted
/// by the operation that gives its slot back, and that same operation learns whether somebody waits for it, so no
/// wake-up is lost.
///
/// Acquire and release: what a holder did before it gave its slot back has happened before the next holder begins.
#[derive(Debug)]
pub(crate) struct Word(AtomicU64);

/// What a [`Word`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) in_flight: u32,
    pub(crate) limit: u32,
    /// Whoever comes now goes behind those who wait.
    pub(crate) waiting: bool,
    /// Of 23 bits; only differences mean something, see [`departures`].
    pub(crate) departed: u32,
}

impl State {
    fn of(word: u64) -> Self {
        let bits = |shift: u32| (word >> shift) as u32 & MAX;
        Self {
            in_flight: bits(0),
            limit: bits(LIMIT),
            waiting: word & WAITING != 0,
            departed: (word >> DEPARTED) as u32,
        }
    }

    /// How many were admitted before, and with, this state; grows by one with each, as the departures need not: those of a
    /// burst are all admitted at the same count of these. Wraps around.
    pub(crate) fn admitted(self) -> u32 {
        self.departed.wrapping_add(self.in_flight)
    }

    fn with_one_more(self) -> Self {
        Self { in_flight: self.in_flight + 1, ..self }
    }

    fn is_free(self) -> bool {
        self.in_flight < self.limit
    }
}

/// How many have left between two values of [`State::departed`].
pub(crate) fn departures(from: u32, to: u32) -> u32 {
    to.wrapping_sub(from) & (u64::MAX >> DEPARTED) as u32
}

impl Word {
    pub(crate) fn new(limit: u32) -> Self {
        Self(AtomicU64::new(u64::from(limit.min(MAX)) << LIMIT))
    }

    pub(crate) fn load(&self) -> State {
        State::of(self.0.load(Acquire))
    }

    /// Takes a slot if one is free and nobody waits for it: the state then, with this one in flight.
    #[inline]
    pub(crate) fn acquire(&self) -> Option<State> {
        self.acquire_if(|state| state.is_free() && !state.waiting)
    }

    /// Takes a free slot for one of those who wait.
    pub(crate) fn acquire_for_waiter(&self) -> Option<State> {
        self.acquire_if(State::is_free)
    }

    /// Takes a slot even if none is free. `None` only if no more can be counted.
    pub(crate) fn acquire_beyond(&self) -> Option<State> {
        self.acquire_if(|state| state.in_flight < MAX)
    }

    fn acquire_if(&self, may: impl Fn(State) -> bool) -> Option<State> {
        let before = self.update(|word| may(State::of(word)).then_some(word + 1))?;
        Some(before.with_one_more())
    }

    /// Somebody waits. What is free now is seen by this one; what becomes free after is known to whoever makes it so.
    pub(crate) fn somebody_waits(&self) {
        self.0.fetch_or(WAITING, AcqRel);
    }

    /// Nobody waits any more.
    pub(crate) fn nobody_waits(&self) {
        self.0.fetch_and(!WAITING, AcqRel);
    }

    /// Gives a slot back that was taken: whether somebody waits for it.
    #[must_use]
    pub(crate) fn release(&self) -> bool {
        // One more has left and one less is in flight; what the upper part overflows by is gone.
        State::of(self.0.fetch_add((1 << DEPARTED) - 1, AcqRel)).waiting
    }

    /// Takes back that a slot was taken, which is no departure: whether somebody waits for it.
    #[must_use]
    pub(crate) fn undo(&self) -> bool {
        State::of(self.0.fetch_sub(1, AcqRel)).waiting
    }

    /// Whether somebody waits, who may have a slot now.
    #[must_use]
    pub(crate) fn set_limit(&self, limit: u32) -> bool {
        let limit = u64::from(limit.min(MAX)) << LIMIT;
        self.update(|word| Some(word & !(u64::from(MAX) << LIMIT) | limit))
            .is_some_and(|before| before.waiting)
    }

    /// What it was before it was replaced by `next`; `None` if that had nothing to replace it with.
    fn update(&self, next: impl Fn(u64) -> Option<u64>) -> Option<State> {
        self.0.fetch_update(AcqRel, Acquire, next).ok().map(State::of)
    }
}
