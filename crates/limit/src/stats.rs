use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{partitions::Partition, policy::Reason, tokens::Tokens};

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
    /// The second budget, where [`LimitLayer::tokens`](crate::LimitLayer::tokens) sets one.
    pub tokens: Option<TokenStats>,
}

/// The tokens of all exchanges in flight at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenStats {
    /// How many are in flight.
    pub in_flight: u32,
    /// How many may be.
    pub budget: u32,
}

impl TokenStats {
    pub(crate) fn of(tokens: &Tokens) -> Self {
        Self { in_flight: tokens.in_flight(), budget: tokens.budget() }
    }
}

/// A partition of a limit at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionStats {
    /// Its name.
    pub name: Arc<str>,
    /// How many exchanges may be in flight whoever else is: its share of the limit.
    pub guaranteed: u32,
    /// How many are in flight.
    pub in_flight: u32,
    /// How many were ever refused.
    pub refused: u64,
}

impl PartitionStats {
    pub(crate) fn of(partition: &Partition) -> Self {
        Self {
            name: partition.name.clone(),
            guaranteed: partition.guaranteed(),
            in_flight: partition.in_flight(),
            refused: partition.refused(),
        }
    }
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
