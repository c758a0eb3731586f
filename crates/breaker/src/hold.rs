use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use dashpot_core::{Deadline, Rejection};
use tokio::{
    sync::futures::OwnedNotified,
    time::{Sleep, sleep_until},
};

use crate::{
    atomic::Ordering::Relaxed,
    breakers::One,
    machine::Refused,
    permit::{Permit, now},
    rules::Hold,
};

/// A request that waits until it is known whether the upstream is back.
pub(crate) struct Held {
    place: Place,
    until: Instant,
    /// Wakes when the state changes, or a probe is over. There is one whenever it is not being polled.
    changed: Option<Pin<Box<OwnedNotified>>>,
    /// Until then at most.
    sleep: Pin<Box<Sleep>>,
}

impl Held {
    /// Takes a place for a request that was refused, if there is one, and if it can be of use.
    pub(crate) fn new(one: &Arc<One>, refused: Refused, deadline: Option<Deadline>) -> Option<Self> {
        let Hold { max_waiting, mut max_wait } = one.machine.rules().hold?;
        // An operator has not said for how long.
        let after = refused.after?;
        let now = now();
        if let Some(deadline) = deadline {
            // What is let in too late to be answered in time is let in in vain.
            let usual = one.machine.usual().unwrap_or_default();
            max_wait = max_wait.min(deadline.remaining(now).saturating_sub(usual));
        }
        if max_wait.is_zero() || refused.is_sure && after >= max_wait {
            return None;
        }
        let until = now.checked_add(max_wait)?;
        let place = Place::take(one, max_waiting)?;
        let sleep = Box::pin(sleep_until(now.into()));
        Some(Self { place, until, changed: None, sleep })
    }

    /// The permit, or the refusal when nothing has become of it.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Permit, Rejection>> {
        let one = &self.place.0;
        loop {
            // It listens before it looks.
            let listen = || Box::pin(one.changed.clone().notified_owned());
            let changed = self.changed.get_or_insert_with(listen);
            let is_told = changed.as_mut().poll(cx).is_ready();
            if is_told {
                let changed = self.changed.insert(listen());
                if changed.as_mut().poll(cx).is_ready() {
                    continue;
                }
            }
            // Not whenever it is polled: each look is a turn in a recovery.
            if !is_told && self.sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            let refused = match one.admit() {
                Ok(permit) => return Poll::Ready(Ok(permit)),
                Err(refused) => refused,
            };
            let now = now();
            let next = refused.after.and_then(|after| now.checked_add(after)).unwrap_or(self.until);
            let is_hopeless = refused.after.is_none() || refused.is_sure && next > self.until;
            if now >= self.until || is_hopeless {
                return Poll::Ready(Err(one.refuse(refused)));
            }
            self.sleep.as_mut().reset(next.min(self.until).into());
        }
    }
}

/// One of the places for those who are held.
struct Place(Arc<One>);

impl Place {
    fn take(one: &Arc<One>, most: usize) -> Option<Self> {
        // A count, with which nothing else is published.
        let more = |held: usize| (held < most).then_some(held + 1);
        one.held.fetch_update(Relaxed, Relaxed, more).ok()?;
        Some(Self(one.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, Relaxed);
    }
}
