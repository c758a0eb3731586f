use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use crate::{
    budgets::Claim,
    limiter::Limiter,
    permit::{Permit, now},
};

/// How many may wait for a slot, and how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    pub(crate) max_waiting: usize,
    pub(crate) max_wait: Duration,
}

/// Those who wait for a slot, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Waiters(Mutex<Queue>);

/// The word's `waiting` bit is set exactly while this is not empty; both change under the lock only.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    entries: BTreeMap<u64, Entry>,
    next: u64,
    /// Since when whoever came first has been waiting too long, without a break.
    backlog: Option<Instant>,
}

#[derive(Debug)]
struct Entry {
    since: Instant,
    max_wait: Duration,
    claim: Claim,
    grant: oneshot::Sender<Permit>,
}

impl Waiters {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether any of this partition waits.
    pub(crate) fn has(&self, partition: Option<u8>) -> bool {
        self.entries.values().any(|entry| entry.claim.partition == partition)
    }

    pub(crate) fn push(
        &mut self,
        limiter: &Arc<Limiter>,
        now: Instant,
        max_wait: Duration,
        claim: Claim,
    ) -> Turn {
        let (grant, granted) = oneshot::channel();
        let id = self.next;
        self.next += 1;
        self.entries.insert(id, Entry { since: now, max_wait, claim, grant });
        Turn { limiter: limiter.clone(), claim, id, max_wait, granted }
    }

    /// Whether the next slot goes to whoever came last.
    ///
    /// In turn is fair while a spike drains. But a backlog that stands lets everybody wait until it is too late; then
    /// those who came last can still be served in time, and those who came first give up (Maurer, "Fail at Scale",
    /// ACM Queue 2015). A backlog stands if for as long as one may wait, whoever came first had always waited for a
    /// quarter of that.
    pub(crate) fn is_backlogged(&mut self, now: Instant) -> bool {
        let Some((_, first)) = self.entries.first_key_value() else {
            self.backlog = None;
            return false;
        };
        if now.saturating_duration_since(first.since) < first.max_wait / 4 {
            self.backlog = None;
            return false;
        }
        let backlog = *self.backlog.get_or_insert(now);
        now.saturating_duration_since(backlog) >= first.max_wait
    }

    /// Whose turn it is of those of so many partitions, if there is room.
    pub(crate) fn pop(
        &mut self,
        now: Instant,
        partitions: usize,
        admit: impl FnMut(Claim) -> Option<Permit>,
    ) -> Option<(oneshot::Sender<Permit>, Permit)> {
        let (id, permit) = if self.is_backlogged(now) {
            first(self.entries.iter().rev(), partitions, admit)
        } else {
            first(self.entries.iter(), partitions, admit)
        }?;
        Some((self.entries.remove(&id)?.grant, permit))
    }

    fn remove(&mut self, id: u64, now: Instant) {
        // Whether a backlog stands goes by who came first at every moment.
        let was_first = self.entries.first_key_value().is_some_and(|(&first, _)| first == id);
        self.entries.remove(&id);
        if was_first {
            self.is_backlogged(now);
        }
    }
}

/// Within a partition nobody overtakes, however much the first one needs. But whoever has room in another partition's
/// share need not stand behind.
fn first<'a>(
    entries: impl Iterator<Item = (&'a u64, &'a Entry)>,
    partitions: usize,
    mut admit: impl FnMut(Claim) -> Option<Permit>,
) -> Option<(u64, Permit)> {
    let mut seen = 0_u64;
    for (id, entry) in entries {
        // Those of no partition have the bit that no partition has.
        let bit = 1 << entry.claim.partition.unwrap_or(63);
        if seen & bit != 0 {
            continue;
        }
        if let Some(permit) = admit(entry.claim) {
            return Some((*id, permit));
        }
        seen |= bit;
        if seen.count_ones() as usize > partitions {
            break;
        }
    }
    None
}

/// One who waits. Dropped, it leaves the queue, or gives the slot back that it had been given.
#[derive(Debug)]
pub(crate) struct Turn {
    limiter: Arc<Limiter>,
    claim: Claim,
    id: u64,
    max_wait: Duration,
    granted: oneshot::Receiver<Permit>,
}

impl Turn {
    pub(crate) fn max_wait(&self) -> Duration {
        self.max_wait
    }

    /// Whom it waits for, and with what.
    pub(crate) fn place(&self) -> (&Arc<Limiter>, Claim) {
        (&self.limiter, self.claim)
    }

    /// Gives up; unless the slot has come at this very moment.
    pub(crate) fn give_up(&mut self) -> Option<Permit> {
        self.granted.close();
        self.granted.try_recv().ok()
    }
}

impl Future for Turn {
    type Output = Permit;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Permit> {
        // The other half is dropped only after it was used, or with the limiter that this one holds.
        match Pin::new(&mut self.granted).poll(cx) {
            Poll::Ready(Ok(permit)) => Poll::Ready(permit),
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // A slot that came too late was never used, and its exchange is no departure: the upstream has not seen it.
        if let Some(permit) = self.give_up() {
            permit.pass_on();
        }
        self.limiter.forget(|queue| queue.remove(self.id, now()));
    }
}
