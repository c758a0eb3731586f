use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::{End, Summary};

/// Tells what the streams of one layer amount to. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle(Arc<Counters>);

impl Handle {
    pub(crate) fn new(counters: Arc<Counters>) -> Self {
        Self(counters)
    }

    /// The counts at this moment.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.0.stats()
    }
}

/// Counts over all streams of one layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Streams that pass now.
    pub active: u64,
    /// Streams that have begun.
    pub started: u64,
    /// Of those, ended as [`End::Done`].
    pub done: u64,
    /// Ended as [`End::Error`].
    pub error: u64,
    /// Ended as [`End::Truncated`].
    pub truncated: u64,
    /// Ended as [`End::Reset`].
    pub reset: u64,
    /// Ended as [`End::ClientGone`].
    pub client_gone: u64,
    /// Events of the streams that have ended.
    pub events: u64,
    /// Bytes of the streams that have ended.
    pub bytes: u64,
    /// Streams that passed unobserved, because they were compressed; not among the others.
    pub unobserved: u64,
}

/// Events and bytes are added when a stream ends, so that no frame touches memory that all streams share.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    started: AtomicU64,
    done: AtomicU64,
    error: AtomicU64,
    truncated: AtomicU64,
    reset: AtomicU64,
    client_gone: AtomicU64,
    events: AtomicU64,
    bytes: AtomicU64,
    unobserved: AtomicU64,
}

// Relaxed: counts for people; nothing is published through them.
impl Counters {
    pub(crate) fn started(&self) {
        self.started.fetch_add(1, Relaxed);
    }

    pub(crate) fn unobserved(&self) {
        self.unobserved.fetch_add(1, Relaxed);
    }

    pub(crate) fn ended(&self, summary: &Summary) {
        self.events.fetch_add(summary.events, Relaxed);
        self.bytes.fetch_add(summary.bytes, Relaxed);
        let end = match summary.end {
            End::Done => &self.done,
            End::Error => &self.error,
            End::Truncated => &self.truncated,
            End::Reset => &self.reset,
            End::ClientGone => &self.client_gone,
        };
        end.fetch_add(1, Relaxed);
    }

    fn stats(&self) -> Stats {
        let mut stats = Stats {
            active: 0,
            started: self.started.load(Relaxed),
            done: self.done.load(Relaxed),
            error: self.error.load(Relaxed),
            truncated: self.truncated.load(Relaxed),
            reset: self.reset.load(Relaxed),
            client_gone: self.client_gone.load(Relaxed),
            events: self.events.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            unobserved: self.unobserved.load(Relaxed),
        };
        let ended = stats.done + stats.error + stats.truncated + stats.reset + stats.client_gone;
        // One may have begun and ended between the loads.
        stats.active = stats.started.saturating_sub(ended);
        stats
    }
}
