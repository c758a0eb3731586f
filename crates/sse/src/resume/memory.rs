mod config;
mod follower;
mod log;
mod recorder;
mod ring;
mod sweep;

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    future::{Ready, ready},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::Instant,
};

pub use self::{
    config::{InvalidMemory, Memory},
    follower::MemoryFollower,
    recorder::MemoryRecorder,
};
use super::store::{Found, Store, StreamKey};
use crate::watch::now;
use log::Log;

/// Keeps streams in the memory of this process.
///
/// Within [`Memory::max_bytes`], whatever the streams are: one that begins takes room for all that it may come to keep, and
/// gives back at its end what it did not need. One that finds no room cannot be resumed; those that are there keep theirs.
/// Not reckoned with are, for each stream that goes on, the event that is not whole yet, and what one frame brings more than
/// there is room for: an upstream that says much at once can take that much more.
///
/// 32 may follow one stream; who comes when there are as many takes the place of the oldest, which ends with
/// [`Overtaken`](super::Overtaken).
///
/// Streams that are over are forgotten when their time has come, by the task of one of them: while any are kept, one task
/// waits. It ends with the last clone of the store.
#[derive(Clone)]
pub struct MemoryStore(Arc<Shared>);

impl MemoryStore {
    /// A store with these bounds.
    ///
    /// # Errors
    ///
    /// If they make no sense.
    pub fn try_new(bounds: Memory) -> Result<Self, InvalidMemory> {
        bounds.check()?;
        Ok(Self(Arc::new(Shared { bounds, rooms: Mutex::default() })))
    }

    /// Streams that go on or are kept.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.0.lock().logs.len()
    }

    /// Bytes that are taken.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.lock().taken
    }

    /// The longest event that is kept.
    #[must_use]
    pub fn max_event(&self) -> usize {
        self.0.bounds.stream_bytes
    }
}

impl Store for MemoryStore {
    type Recorder = MemoryRecorder;
    type Follower = MemoryFollower;
    type Find = Ready<Found<MemoryFollower>>;

    fn record(&self, key: StreamKey) -> Option<MemoryRecorder> {
        let Shared { bounds, .. } = *self.0;
        let size = bounds.stream_bytes + Memory::PER_STREAM + key.owner.len();
        let mut rooms = self.0.lock();
        let forgotten = rooms.forget(now());
        // What came with one frame is kept even if it is more than was reckoned with.
        if size > bounds.max_bytes.saturating_sub(rooms.taken) {
            return None;
        }
        rooms.taken += size;
        let log = Arc::new(Log::new(key.owner, bounds));
        rooms.logs.insert(key.stream, log.clone());
        drop(rooms);
        drop(forgotten);
        Some(MemoryRecorder::new(Arc::downgrade(&self.0), key.stream, size, log))
    }

    fn find(&self, key: StreamKey, after: u64) -> Ready<Found<MemoryFollower>> {
        let mut rooms = self.0.lock();
        let forgotten = rooms.forget(now());
        let log = rooms.logs.get(&key.stream).filter(|log| log.owner() == &*key.owner).cloned();
        drop(rooms);
        drop(forgotten);
        ready(log.map_or(Found::Gone, |log| MemoryFollower::join(log, after)))
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rooms { logs, taken, .. } = &*self.0.lock();
        f.debug_struct("MemoryStore")
            .field("streams", &logs.len())
            .field("bytes", taken)
            .finish_non_exhaustive()
    }
}

struct Shared {
    bounds: Memory,
    rooms: Mutex<Rooms>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Rooms> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Nobody can come back any more: whoever waits for that is to know.
        let rooms = self.rooms.get_mut().unwrap_or_else(PoisonError::into_inner);
        rooms.sweeper.take().into_iter().for_each(Waker::wake);
        rooms.logs.values().for_each(|log| log.wake_recorder());
    }
}

#[derive(Default)]
struct Rooms {
    logs: HashMap<u128, Arc<Log>>,
    taken: usize,
    /// Those that are over, with the time until which they are kept and what they take, in this order.
    ended: VecDeque<(Instant, u128, usize)>,
    /// Some task waits to forget the next.
    is_swept: bool,
    sweeper: Option<Waker>,
}

impl Rooms {
    /// Forgets what has been kept for long enough; to be dropped without the lock.
    fn forget(&mut self, now: Instant) -> Vec<Arc<Log>> {
        let mut forgotten = Vec::new();
        while let Some(&(until, stream, size)) = self.ended.front()
            && until <= now
        {
            self.ended.pop_front();
            self.taken -= size;
            forgotten.extend(self.logs.remove(&stream));
        }
        if self.ended.is_empty() {
            // After a rush of streams their places would stay.
            self.ended.shrink_to(64);
            self.logs.shrink_to(64);
        }
        forgotten
    }
}
