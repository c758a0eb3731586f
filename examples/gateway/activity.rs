//! What goes on on one connection, so that one on which nothing does can be closed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use dashpot::body::{End, Guard};
use tokio::time::sleep;

// Relaxed: looked at seconds apart.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    begun: AtomicU64,
    under_way: AtomicU64,
}

impl Activity {
    /// A request has come; its answer has gone out when this is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> Busy {
        self.begun.fetch_add(1, Relaxed);
        self.under_way.fetch_add(1, Relaxed);
        Busy(self.clone())
    }

    /// Ready when no request has come within `first`, or nothing was under way for `idle`.
    ///
    /// Hyper's own bound on the head begins only once it knows the version of HTTP, for which it waits for ever; and a
    /// client on HTTP/2 that answers pings is kept for ever.
    pub(crate) async fn is_over(&self, first: Duration, idle: Duration) {
        sleep(first).await;
        while self.begun.load(Relaxed) > 0 {
            let begun = self.begun.load(Relaxed);
            sleep(idle).await;
            if self.under_way.load(Relaxed) == 0 && self.begun.load(Relaxed) == begun {
                break;
            }
        }
    }
}

#[derive(Debug)]
pub(crate) struct Busy(Arc<Activity>);

impl Guard for Busy {
    fn end(self, _: End) {}
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Relaxed);
    }
}
