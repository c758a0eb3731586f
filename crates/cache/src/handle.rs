use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use crate::{Removal, Store, StoreError, layer::Shared, similar::Tier};

/// What the caches of a layer amount to, and its manual controls. Cheap to clone.
pub struct Handle<St> {
    shared: Arc<Shared<St>>,
}

/// How requests were answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// With an answer to the same request.
    pub exact: u64,
    /// With an answer to a similar one.
    pub similar: u64,
    /// With an answer that was stale: while another was fetched, or since the upstream failed.
    pub stale: u64,
    /// By a call to the upstream.
    pub misses: u64,
    /// By the call that another had begun.
    pub collapsed: u64,
    /// By the upstream, since they were not to be kept: by their own wish, or by the rules.
    pub bypassed: u64,
    /// Answers that were kept.
    pub stored: u64,
    /// Times that the store failed, or was too slow.
    pub store_failures: u64,
    /// Similar questions that were not the same to what verifies.
    pub refused: u64,
    /// Times that embedder and index were too slow.
    pub similar_failures: u64,
}

impl<St: Store> Handle<St> {
    pub(crate) fn new(shared: Arc<Shared<St>>) -> Self {
        Self { shared }
    }

    pub(crate) fn similar(&self) -> Option<&Arc<dyn Tier>> {
        self.shared.similar.as_ref()
    }

    /// The numbers so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        let Counters {
            exact,
            similar,
            stale,
            misses,
            collapsed,
            bypassed,
            stored,
            store_failures,
            refused,
            similar_failures,
        } = &*self.shared.counters;
        Stats {
            exact: read(exact),
            similar: read(similar),
            stale: read(stale),
            misses: read(misses),
            collapsed: read(collapsed),
            bypassed: read(bypassed),
            stored: read(stored),
            store_failures: read(store_failures),
            refused: read(refused),
            similar_failures: read(similar_failures),
        }
    }

    /// Removes answers. Calls that are under way keep no such answer either, and who asks from now on joins none of them;
    /// those of another process that has the same store are not known here.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn remove(&self, what: Removal) -> Result<(), StoreError> {
        let Shared { store, flights, removals, .. } = &*self.shared;
        // Known before anything is removed: what is put after that is looked at again.
        removals.add(what.clone());
        flights.leave();
        store.remove(what).await
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &St {
        &self.shared.store
    }
}

impl<St> Clone for Handle<St> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<St> fmt::Debug for Handle<St> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("counters", &self.shared.counters).finish_non_exhaustive()
    }
}

// Relaxed: counts for people; nothing is published through them.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) exact: AtomicU64,
    pub(crate) similar: AtomicU64,
    pub(crate) stale: AtomicU64,
    pub(crate) misses: AtomicU64,
    pub(crate) collapsed: AtomicU64,
    pub(crate) bypassed: AtomicU64,
    pub(crate) stored: AtomicU64,
    pub(crate) store_failures: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) similar_failures: AtomicU64,
}

pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}
