use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use super::{log::Log, ring::Join};
use crate::{
    resume::store::{Follower, Found, Next},
    watch::now,
};

/// Reads a stream of a [`MemoryStore`](super::MemoryStore).
pub struct MemoryFollower {
    log: Arc<Log>,
    number: u64,
}

impl MemoryFollower {
    pub(super) fn new(log: Arc<Log>, number: u64) -> Self {
        Self { log, number }
    }

    pub(super) fn join(log: Arc<Log>, after: u64) -> Found<Self> {
        match log.join(after) {
            Join::Follower(number) => Found::More(Self { log, number }),
            Join::Over => Found::Over,
            Join::Broken => Found::Broken,
            Join::Gone => Found::Gone,
        }
    }
}

impl Follower for MemoryFollower {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        self.log.read(self.number, cx.waker()).map_or(Poll::Pending, Poll::Ready)
    }

    fn is_over(&self) -> bool {
        self.log.is_over_for(self.number)
    }
}

impl Drop for MemoryFollower {
    fn drop(&mut self) {
        self.log.leave(self.number, now());
    }
}

impl fmt::Debug for MemoryFollower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryFollower").field("number", &self.number).finish_non_exhaustive()
    }
}
