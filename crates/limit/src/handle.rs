use std::sync::Arc;

use crate::{PartitionStats, Stats, limiter::Limiter, permit::now, policy::Snapshot};

/// Shows a limit, and lets an operator take it over. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle(Arc<Limiter>);

impl Handle {
    pub(crate) fn new(limiter: Arc<Limiter>) -> Self {
        Self(limiter)
    }

    /// The limit at this moment.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.0.stats(now())
    }

    /// The [partitions](crate::LimitLayer::partitions) at this moment, in the order in which they were given.
    #[must_use]
    pub fn partitions(&self) -> Vec<PartitionStats> {
        self.0.partitions()
    }

    /// Sets the limit, within the policy's bounds. Unless it is frozen too, the policy goes on from there.
    pub fn set_limit(&self, limit: u32) {
        self.0.with_policy(now(), |policy| policy.set_limit(limit.into()));
    }

    /// Keeps the limit as it is; nothing is learned until [`resume`](Self::resume).
    pub fn freeze(&self) {
        self.0.freeze(true);
    }

    /// Lets the policy go on.
    pub fn resume(&self) {
        self.0.freeze(false);
    }

    /// What is worth keeping over a restart.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.0.with_policy(now(), |policy| policy.snapshot())
    }

    /// Goes on from what another process has learned about the same upstream.
    pub fn restore(&self, snapshot: &Snapshot) {
        self.0.with_policy(now(), |policy| policy.restore(snapshot));
    }
}
