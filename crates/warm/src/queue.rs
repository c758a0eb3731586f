use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use tokio::sync::oneshot;

use crate::{permit::Permit, upstream::Upstream};

/// Those who wait, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    entries: BTreeMap<u64, oneshot::Sender<Permit>>,
    next: u64,
}

impl Queue {
    pub(crate) fn len(&self) -> u32 {
        self.entries.len() as u32
    }

    pub(crate) fn push(&mut self) -> (u64, oneshot::Receiver<Permit>) {
        let (grant, granted) = oneshot::channel();
        let id = self.next;
        self.next += 1;
        self.entries.insert(id, grant);
        (id, granted)
    }

    /// Whoever came first.
    pub(crate) fn pop(&mut self) -> Option<oneshot::Sender<Permit>> {
        self.entries.pop_first().map(|(_, grant)| grant)
    }

    /// Whether it was still there.
    pub(crate) fn remove(&mut self, id: u64) -> bool {
        self.entries.remove(&id).is_some()
    }
}

/// One who waits. Dropped, it leaves the queue, or gives back what it had been given.
#[derive(Debug)]
pub(crate) struct Turn {
    upstream: Arc<Upstream>,
    id: u64,
    granted: oneshot::Receiver<Permit>,
    until: Instant,
    is_over: bool,
}

impl Turn {
    pub(crate) fn new(
        upstream: Arc<Upstream>,
        (id, granted): (u64, oneshot::Receiver<Permit>),
        until: Instant,
    ) -> Self {
        Self { upstream, id, granted, until, is_over: false }
    }

    /// Until when it may wait.
    pub(crate) fn until(&self) -> Instant {
        self.until
    }

    pub(crate) fn upstream(&self) -> &Arc<Upstream> {
        &self.upstream
    }

    /// Gives up; unless it is its turn at this very moment.
    pub(crate) fn give_up(&mut self) -> Option<Permit> {
        self.granted.close();
        self.granted.try_recv().ok()
    }
}

impl Future for Turn {
    type Output = Permit;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Permit> {
        // The other half is dropped only after it was used, or with the upstream that this one holds.
        match Pin::new(&mut self.granted).poll(cx) {
            Poll::Ready(Ok(permit)) => {
                self.is_over = true;
                Poll::Ready(permit)
            }
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.is_over {
            drop(self.give_up());
            self.upstream.leaves(self.id);
        }
    }
}
