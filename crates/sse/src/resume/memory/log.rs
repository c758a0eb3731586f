use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::Instant,
};

use bytes::Bytes;

use super::{
    Memory,
    ring::{Join, Ring, Wanted},
};
use crate::resume::store::{End, Next};

/// One stream: its recorder and its followers meet here.
pub(super) struct Log {
    owner: Box<[u8]>,
    bounds: Memory,
    state: Mutex<State>,
}

struct State {
    ring: Ring,
    recorder: Option<Waker>,
    followers: Vec<(u64, Waker)>,
}

impl Log {
    pub(super) fn new(owner: Box<[u8]>, bounds: Memory) -> Self {
        let ring = Ring::new(bounds.stream_bytes);
        Self { owner, bounds, state: Mutex::new(State { ring, recorder: None, followers: Vec::new() }) }
    }

    pub(super) fn owner(&self) -> &[u8] {
        &self.owner
    }

    pub(super) fn cost(&self) -> usize {
        self.lock().ring.cost()
    }

    pub(super) fn follow(&self) -> u64 {
        self.lock().ring.follow()
    }

    pub(super) fn join(&self, after: u64) -> Join {
        let mut state = self.lock();
        let joined = state.ring.join(after);
        // One may have had to make place.
        let followers = std::mem::take(&mut state.followers);
        wake_recorder(state);
        followers.into_iter().for_each(|(_, waker)| waker.wake());
        joined
    }

    pub(super) fn leave(&self, follower: u64, now: Instant) {
        let mut state = self.lock();
        state.ring.leave(follower, now);
        let gone = state.followers.iter().position(|(other, _)| *other == follower);
        // A waker may run code of others when it is dropped, so not under the lock.
        let waker = gone.map(|at| state.followers.swap_remove(at));
        wake_recorder(state);
        drop(waker);
    }

    /// What comes next for a follower; if it is not there, `waker` is woken when it is.
    pub(super) fn read(&self, follower: u64, waker: &Waker) -> Option<Next> {
        let mut state = self.lock();
        let was_wanted = state.ring.wanted(self.bounds.grace);
        let next = state.ring.read(follower);
        if next.is_some() {
            if was_wanted == Wanted::No && state.ring.wanted(self.bounds.grace) == Wanted::Yes {
                wake_recorder(state);
            }
            return next;
        }
        let old = match state.followers.iter_mut().find(|(other, _)| *other == follower) {
            Some((_, old)) if old.will_wake(waker) => None,
            Some((_, old)) => Some(std::mem::replace(old, waker.clone())),
            None => {
                state.followers.push((follower, waker.clone()));
                None
            }
        };
        drop(state);
        drop(old);
        None
    }

    pub(super) fn is_over_for(&self, follower: u64) -> bool {
        self.lock().ring.is_over_for(follower)
    }

    /// Whether more is wanted; `waker` is woken when that changes.
    pub(super) fn wanted(&self, waker: &Waker) -> Wanted {
        let mut state = self.lock();
        let old = match &state.recorder {
            Some(old) if old.will_wake(waker) => None,
            _ => state.recorder.replace(waker.clone()),
        };
        let wanted = state.ring.wanted(self.bounds.grace);
        drop(state);
        drop(old);
        wanted
    }

    /// Adds to the stream; `woken` is empty before and after.
    pub(super) fn append(&self, event: Option<u64>, bytes: Bytes, woken: &mut Vec<(u64, Waker)>) {
        let mut state = self.lock();
        state.ring.append(event, bytes);
        wake_followers(state, woken);
    }

    pub(super) fn give_up(&self) {
        self.lock().ring.give_up();
    }

    /// The stream is over, unless it was before.
    pub(super) fn end(&self, end: End) {
        let mut state = self.lock();
        if !state.ring.has_ended() {
            state.ring.end(end);
        }
        wake_followers(state, &mut Vec::new());
    }

    pub(super) fn wake_recorder(&self) {
        wake_recorder(self.lock());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// Neither wakes under the lock: to wake is to run code of others, which may come back here.

fn wake_recorder(mut state: MutexGuard<'_, State>) {
    let recorder = state.recorder.take();
    drop(state);
    recorder.into_iter().for_each(Waker::wake);
}

/// By way of `woken`, whose room goes round: an event costs no allocation for it.
fn wake_followers(mut state: MutexGuard<'_, State>, woken: &mut Vec<(u64, Waker)>) {
    std::mem::swap(&mut state.followers, woken);
    drop(state);
    woken.drain(..).for_each(|(_, waker)| waker.wake());
}
