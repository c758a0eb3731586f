use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// Tells what became of the streams of one layer. Cheap to clone; keeps no stream.
#[derive(Clone, Debug)]
pub struct ResumeHandle(Counters);

impl ResumeHandle {
    pub(super) fn new(counters: Counters) -> Self {
        Self(counters)
    }

    /// The counts at this moment.
    #[must_use]
    pub fn stats(&self) -> ResumeStats {
        let cells = &*self.0.0;
        let [recorded, ended, abandoned, failed] =
            [&cells.recorded, &cells.ended, &cells.abandoned, &cells.failed].map(|cell| cell.load(Relaxed));
        ResumeStats {
            // One may have begun and ended between the loads.
            active: recorded.saturating_sub(ended + abandoned + failed),
            recorded,
            ended,
            abandoned,
            failed,
            no_room: cells.no_room.load(Relaxed),
            own_ids: cells.own_ids.load(Relaxed),
            too_long: cells.too_long.load(Relaxed),
            resumed: cells.resumed.load(Relaxed),
            over: cells.over.load(Relaxed),
            refused: cells.refused.load(Relaxed),
        }
    }
}

/// Counts over all streams of one layer, and of all who came back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResumeStats {
    /// Streams that go on and have ids of ours.
    pub active: u64,
    /// Streams that have got ids.
    pub recorded: u64,
    /// Of those, read to their end.
    pub ended: u64,
    /// Cancelled, since nobody came back in time.
    pub abandoned: u64,
    /// Broken off by their upstream.
    pub failed: u64,
    /// Streams that passed without ids, since there was no room to keep them.
    pub no_room: u64,
    /// Streams that passed with their own ids.
    pub own_ids: u64,
    /// Streams with an event that was too long to be kept.
    pub too_long: u64,
    /// Clients that came back and read on.
    pub resumed: u64,
    /// Clients that came back and had it all: 204.
    pub over: u64,
    /// Clients that came back to what cannot be read on: 410.
    pub refused: u64,
}

// Relaxed: counts for people; nothing is published through them.
#[derive(Clone, Debug, Default)]
pub(super) struct Counters(Arc<Cells>);

#[derive(Debug, Default)]
pub(super) struct Cells {
    pub(super) recorded: AtomicU64,
    pub(super) ended: AtomicU64,
    pub(super) abandoned: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) no_room: AtomicU64,
    pub(super) own_ids: AtomicU64,
    pub(super) too_long: AtomicU64,
    pub(super) resumed: AtomicU64,
    pub(super) over: AtomicU64,
    pub(super) refused: AtomicU64,
}

impl Counters {
    pub(super) fn count(&self, which: impl FnOnce(&Cells) -> &AtomicU64) {
        which(&self.0).fetch_add(1, Relaxed);
    }
}
