use std::time::{Duration, Instant};

use crate::policy::Reason;

/// A limit at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// How many exchanges may be in flight.
    pub limit: u32,
    /// How many are. More than the limit for a while after it was lowered.
    pub in_flight: u32,
    /// How many wait for a slot.
    pub waiting: usize,
    /// How many were ever admitted.
    pub admitted: u64,
    /// How many were ever refused.
    pub refused: u64,
    /// Whether the limit is kept as it is, by [`Handle::freeze`](crate::Handle::freeze).
    pub frozen: bool,
    /// The time that an exchange takes when it need not wait, as the policy believes.
    pub baseline: Option<Duration>,
    /// How many exchanges wait in the upstream's queue, as the policy believes.
    pub queue: Option<f64>,
    /// What was decided last.
    pub decision: Decision,
}

/// What was decided, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// When this limit, or this reason for it, came.
    pub at: Instant,
    /// The limit.
    pub limit: u32,
    /// Why it is that.
    pub reason: Reason,
}
