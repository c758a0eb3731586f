use std::{sync::Arc, time::Instant};

use tokio::sync::oneshot;

use super::{Inner, Upstream};
use crate::{
    Start, WarmState,
    driver::Driver,
    machine::{Load, Next},
    permit::Permit,
};

/// What is to be done without the lock.
#[derive(Default)]
struct After {
    grants: Vec<(oneshot::Sender<Permit>, u16)>,
    changed: Option<(WarmState, WarmState)>,
    started: Option<(u64, Start)>,
    needs_driver: bool,
}

/// What is the same whatever happens: it is told to the machine, and what follows from that is done.
impl Upstream {
    pub(super) fn with<R>(self: &Arc<Self>, now: Instant, event: impl FnOnce(&mut Inner, Load) -> R) -> R {
        self.go(now, false, event).0
    }

    /// Something happens: meanwhile none passes, and those who wait go if they may.
    pub(super) fn go<R>(
        self: &Arc<Self>,
        now: Instant,
        by_driver: bool,
        event: impl FnOnce(&mut Inner, Load) -> R,
    ) -> (R, Next) {
        let mut guard = self.lock();
        let inner = &mut *guard;
        let seen = self.word.close();
        inner.machine.passed(u64::from(seen.begun.wrapping_sub(inner.begun) & 0xff_ffff));
        let starts = inner.machine.starts_so_far();
        let result = event(inner, Load { in_flight: seen.in_flight, waiting: inner.queue.len() });

        let mut after = After::default();
        let next = loop {
            let load = Load { in_flight: self.word.load().in_flight, waiting: inner.queue.len() };
            let next = inner.machine.advance(now, load);
            let room = inner.machine.room(now, load);
            if room == 0 {
                break next;
            }
            for grant in std::iter::from_fn(|| inner.queue.pop()).take(room as usize) {
                self.word.admit(true);
                after.grants.push((grant, inner.machine.generation()));
            }
        };
        inner.begun = self.word.load().begun;
        if inner.begun != seen.begun {
            inner.machine.passed(u64::from(inner.begun.wrapping_sub(seen.begun) & 0xff_ffff));
        }
        let state = inner.machine.state();
        // Whoever waits for a change is told of changes only.
        self.state.send_if_modified(|was| {
            after.changed = (*was != state).then_some((*was, state));
            *was = state;
            after.changed.is_some()
        });
        after.started = inner.machine.starts_so_far().filter(|start| Some(*start) != starts);
        if by_driver {
            inner.is_driven = !next.is_over;
        } else if !inner.is_driven && !next.is_over && Driver::can_run() {
            (inner.is_driven, after.needs_driver) = (true, true);
        }
        let is_news = inner.told.is_none_or(|told| !is_covered(next, told));
        if by_driver || is_news {
            inner.told = Some(next);
        }
        if inner.machine.is_open() && inner.is_driven {
            self.word.open(inner.machine.generation());
        }
        drop(guard);
        self.go_on(after, is_news && !by_driver);
        (result, next)
    }

    /// Without the lock: this wakes others, and runs what users have written.
    fn go_on(self: &Arc<Self>, after: After, is_news: bool) {
        for (grant, generation) in after.grants {
            // Given back, if nobody waits any more.
            drop(grant.send(Permit::new(self.clone(), generation, true)));
        }
        if after.needs_driver {
            Driver::spawn(self.clone());
        } else if is_news {
            self.news.notify_one();
        }
        if let Some((from, to)) = after.changed {
            tracing::info!(key = &*self.key, from = from.name(), to = to.name(), "an upstream changed");
            // Whoever would come if it were ready asks again when it has failed.
            if from.is_ready() != to.is_ready() || matches!(to, WarmState::Cold | WarmState::Failed) {
                self.turned.notify_waiters();
            }
            if let Some(observer) = &self.observer {
                observer.on_state(from, to);
            }
        }
        if let (Some((_, start)), Some(observer)) = (after.started, &self.observer) {
            observer.on_start(&start);
        }
    }
}

/// Whether a driver that knows `told` need not be woken for `next`: it comes early enough.
fn is_covered(next: Next, told: Next) -> bool {
    let is_in_time = match (next.wake_at, told.wake_at) {
        (Some(at), Some(told)) => told <= at,
        (Some(_), None) => false,
        (None, _) => true,
    };
    is_in_time && next.due == told.due && next.is_up == told.is_up && next.is_over == told.is_over
}
