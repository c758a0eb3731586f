use super::atomic::{
    AtomicU32,
    Ordering::{AcqRel, Acquire},
};

/// The tokens of all exchanges in flight, and how many there may be.
///
/// Acquire and release, as in the [`Word`](super::word::Word).
#[derive(Debug)]
pub(crate) struct Tokens {
    in_flight: AtomicU32,
    budget: u32,
}

impl Tokens {
    pub(crate) fn new(budget: u32) -> Self {
        Self { in_flight: AtomicU32::new(0), budget }
    }

    pub(crate) fn budget(&self) -> u32 {
        self.budget
    }

    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.load(Acquire)
    }

    pub(crate) fn have_room(&self, cost: u32) -> bool {
        self.with(self.in_flight(), cost).is_some()
    }

    /// Whether there were as many left.
    pub(crate) fn take(&self, cost: u32) -> bool {
        self.in_flight.fetch_update(AcqRel, Acquire, |in_flight| self.with(in_flight, cost)).is_ok()
    }

    pub(crate) fn give_back(&self, cost: u32) {
        self.in_flight.fetch_sub(self.price(cost), AcqRel);
    }

    fn with(&self, in_flight: u32, cost: u32) -> Option<u32> {
        in_flight.checked_add(self.price(cost)).filter(|&sum| sum <= self.budget)
    }

    /// What costs more than the budget takes all of it: so it is admitted, but alone.
    fn price(&self, cost: u32) -> u32 {
        cost.min(self.budget)
    }
}
