use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// Tells how many answers the services of one layer have changed. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ModeHandle(Counters);

/// How many answers were changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModeStats {
    /// Streams that were put together.
    pub collected: u64,
    /// Whole answers that were said as streams.
    pub expanded: u64,
    /// Answers that should have been changed and could not be: they broke off, said that they failed, were too long, or
    /// were no answers.
    pub failed: u64,
}

impl ModeHandle {
    pub(super) fn new(counters: Counters) -> Self {
        Self(counters)
    }

    /// The numbers so far.
    #[must_use]
    pub fn stats(&self) -> ModeStats {
        let Cells { collected, expanded, failed } = &*self.0.0;
        ModeStats {
            collected: collected.load(Relaxed),
            expanded: expanded.load(Relaxed),
            failed: failed.load(Relaxed),
        }
    }
}

// Relaxed: counts for people; nothing is published through them.
#[derive(Clone, Debug, Default)]
pub(super) struct Counters(Arc<Cells>);

#[derive(Debug, Default)]
struct Cells {
    collected: AtomicU64,
    expanded: AtomicU64,
    failed: AtomicU64,
}

impl Counters {
    pub(super) fn collected(&self) {
        self.0.collected.fetch_add(1, Relaxed);
    }

    pub(super) fn expanded(&self) {
        self.0.expanded.fetch_add(1, Relaxed);
    }

    pub(super) fn failed(&self) {
        self.0.failed.fetch_add(1, Relaxed);
    }
}
