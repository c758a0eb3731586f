use std::{
    pin::Pin,
    sync::Weak,
    task::{Context, Poll, ready},
};

use dashpot_body::Timer;

use super::Shared;
use crate::watch::now;

/// Forgets what is over, each stream at its time, until nothing is left that is over, or the store is gone.
pub(super) struct Sweep {
    shared: Weak<Shared>,
    timer: Timer,
    is_done: bool,
}

impl Sweep {
    pub(super) fn new(shared: Weak<Shared>) -> Self {
        Self { shared, timer: Timer::default(), is_done: false }
    }
}

impl Future for Sweep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let Some(shared) = self.shared.upgrade() else { return Poll::Ready(()) };
            let mut rooms = shared.lock();
            let forgotten = rooms.forget(now());
            let next = rooms.ended.front().map(|&(until, ..)| until);
            let waker = next.map(|_| cx.waker().clone());
            let old = std::mem::replace(&mut rooms.sweeper, waker);
            rooms.is_swept = next.is_some();
            drop(rooms);
            drop((old, forgotten, shared));
            let Some(until) = next else {
                self.is_done = true;
                return Poll::Ready(());
            };
            ready!(self.timer.poll(until, cx));
        }
    }
}

impl Drop for Sweep {
    fn drop(&mut self) {
        // Cut short: the next stream that ends takes over.
        let Some(shared) = self.shared.upgrade().filter(|_| !self.is_done) else { return };
        let mut rooms = shared.lock();
        rooms.is_swept = false;
        let sweeper = rooms.sweeper.take();
        drop(rooms);
        drop(sweeper);
    }
}
