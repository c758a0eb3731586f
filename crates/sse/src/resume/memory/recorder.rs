use std::{
    fmt,
    sync::{Arc, Weak},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use dashpot_body::Timer;

use super::{Memory, MemoryFollower, Shared, log::Log, ring::Wanted, sweep::Sweep};
use crate::{
    resume::store::{Abandoned, End, Recorder},
    watch::now,
};

/// Writes a stream into a [`MemoryStore`](super::MemoryStore).
pub struct MemoryRecorder {
    shared: Weak<Shared>,
    stream: u128,
    /// What it has taken of the store's room.
    size: usize,
    log: Arc<Log>,
    timer: Timer,
    woken: Vec<(u64, Waker)>,
    is_kept: bool,
    gave_up: bool,
}

impl MemoryRecorder {
    pub(super) fn new(shared: Weak<Shared>, stream: u128, size: usize, log: Arc<Log>) -> Self {
        let (timer, woken) = (Timer::default(), Vec::new());
        Self { shared, stream, size, log, timer, woken, is_kept: false, gave_up: false }
    }
}

impl Recorder for MemoryRecorder {
    type Follower = MemoryFollower;

    fn follow(&mut self) -> MemoryFollower {
        let number = self.log.follow();
        MemoryFollower::new(self.log.clone(), number)
    }

    fn poll_wanted(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Abandoned>> {
        match self.log.wanted(cx.waker()) {
            Wanted::Yes => Poll::Ready(Ok(())),
            Wanted::No => Poll::Pending,
            Wanted::Never => Poll::Ready(Err(Abandoned)),
            // Without the store nobody can come back.
            Wanted::Until(..) if self.shared.strong_count() == 0 => Poll::Ready(Err(Abandoned)),
            Wanted::Until(at, has_room) => {
                if self.timer.poll(at, cx).is_ready() {
                    return Poll::Ready(Err(Abandoned));
                }
                if has_room { Poll::Ready(Ok(())) } else { Poll::Pending }
            }
        }
    }

    fn append(&mut self, event: Option<u64>, bytes: Bytes) {
        self.log.append(event, bytes, &mut self.woken);
    }

    fn give_up(&mut self) {
        self.gave_up = true;
        self.log.give_up();
    }

    fn finish(mut self, end: End) -> impl Future<Output = ()> + Send {
        self.log.end(end);
        let sweep = self.keep();
        async move {
            if let Some(sweep) = sweep {
                sweep.await;
            }
        }
    }
}

impl MemoryRecorder {
    /// Goes on -> is over: what it has taken and did not need is free, and its time begins.
    fn keep(&mut self) -> Option<Sweep> {
        let shared = self.shared.upgrade().filter(|_| !self.gave_up)?;
        self.is_kept = true;
        let size = self.log.cost() + Memory::PER_STREAM + self.log.owner().len();
        let mut rooms = shared.lock();
        rooms.taken = rooms.taken - self.size + size;
        rooms.ended.push_back((now() + shared.bounds.age, self.stream, size));
        let is_swept = std::mem::replace(&mut rooms.is_swept, true);
        drop(rooms);
        (!is_swept).then(|| Sweep::new(self.shared.clone()))
    }
}

impl Drop for MemoryRecorder {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        self.log.end(End::Broken);
        let Some(shared) = self.shared.upgrade() else { return };
        let mut rooms = shared.lock();
        rooms.taken -= self.size;
        let log = rooms.logs.remove(&self.stream);
        drop(rooms);
        drop(log);
    }
}

impl fmt::Debug for MemoryRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryRecorder").field("gave_up", &self.gave_up).finish_non_exhaustive()
    }
}
