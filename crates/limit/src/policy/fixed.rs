use std::time::Instant;

use super::{Belief, Observation, Policy, Reason};

/// The limit that it was given.
#[derive(Clone, Copy, Debug)]
pub struct Fixed {
    limit: f64,
}

impl Fixed {
    /// Never more than `limit` exchanges at once.
    ///
    /// # Panics
    ///
    /// If `limit` is 0.
    #[must_use]
    pub fn new(limit: u32) -> Self {
        assert!(limit > 0, "a limit of 0 admits nothing");
        Self { limit: limit.into() }
    }
}

impl Policy for Fixed {
    fn limit(&self) -> f64 {
        self.limit
    }

    fn observe(&mut self, _: Instant, _: &Observation) {}

    fn belief(&self) -> Belief {
        Belief::new(Reason::Set)
    }

    fn set_limit(&mut self, limit: f64) {
        self.limit = limit.max(1.0);
    }
}
