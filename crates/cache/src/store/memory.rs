mod leases;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use dashpot_core::Tenant;
use moka::{Expiry, sync::Cache};

use self::leases::Held;
use super::{Removal, Store, StoreError};
use crate::{Entry, Key, Lease, Place};

/// What moka takes for an entry, and the allocator for its parts, as `tests/cost.rs` measures it.
const OVERHEAD: usize = 400;

/// For so many bytes there is a place in the table from the start, up to `PLACES`: a table that grows is copied within
/// requests, and with these it does so only where most answers are short.
const BYTES_A_PLACE: u64 = 2048;
const PLACES: u64 = 1 << 18;

/// Entries in this process, within a bound of bytes; what is asked for most stays (TinyLFU, by moka).
#[derive(Clone, Debug)]
pub struct MemoryStore {
    entries: Cache<Key, Arc<Entry>>,
    leases: Arc<Held>,
}

impl MemoryStore {
    /// A store of at most about `max_bytes` of memory: its entries by [`Entry::weight`], and what it takes to find them.
    #[must_use]
    pub fn new(max_bytes: u64) -> Self {
        let places = (max_bytes / BYTES_A_PLACE).min(PLACES);
        let entries = Cache::builder()
            .max_capacity(max_bytes)
            .initial_capacity(places as usize)
            .weigher(|_, entry: &Arc<Entry>| u32::try_from(entry.weight() + OVERHEAD).unwrap_or(u32::MAX))
            .expire_after(UntilStale)
            .support_invalidation_closures()
            .build();
        Self { entries, leases: Arc::default() }
    }

    /// How many entries there are; those that are past their time may count until they are cleared away.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.entries.run_pending_tasks();
        self.entries.entry_count()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All entries, in no order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Arc<Entry>> + '_ {
        self.entries.iter().map(|(_, entry)| entry)
    }

    /// How many bytes the entries take.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.entries.run_pending_tasks();
        self.entries.weighted_size()
    }
}

impl Store for MemoryStore {
    async fn get(&self, place: Place) -> Result<Option<Arc<Entry>>, StoreError> {
        Ok(self.entries.get(&place.key).filter(|entry| entry.partition == place.partition))
    }

    async fn find(&self, tenant: &Tenant, key: Key) -> Result<Option<Arc<Entry>>, StoreError> {
        Ok(self.entries.get(&key).filter(|entry| entry.tenant == *tenant))
    }

    async fn put(&self, entry: Arc<Entry>, lease: Option<Lease>) -> Result<bool, StoreError> {
        let place = entry.place();
        let keep = || self.entries.insert(entry.key, entry);
        let is_kept = match lease {
            Some(lease) => lease.place == place && self.leases.while_held(lease, keep),
            None => {
                keep();
                true
            }
        };
        Ok(is_kept)
    }

    async fn remove(&self, what: Removal) -> Result<(), StoreError> {
        if let Removal::Entry(_, key) = &what {
            if self.entries.get(key).is_some_and(|entry| what.is_about(&entry)) {
                self.entries.invalidate(key);
            }
            return Ok(());
        }
        self.entries.invalidate_entries_if(move |_, entry| what.is_about(entry)).map_err(StoreError::new)?;
        Ok(())
    }
}

/// What nobody may have any more only takes room.
struct UntilStale;

impl Expiry<Key, Arc<Entry>> for UntilStale {
    fn expire_after_create(&self, _: &Key, entry: &Arc<Entry>, _: Instant) -> Option<Duration> {
        // One from a file has some of its time behind it.
        Some(entry.left(crate::now()).unwrap_or_default())
    }

    fn expire_after_update(
        &self,
        key: &Key,
        entry: &Arc<Entry>,
        now: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        self.expire_after_create(key, entry, now)
    }
}

#[cfg(test)]
mod tests {
    use dashpot_core::Tenant;
    use dashpot_wire::dialect::Dialect;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_entry_is_kept_until_its_own_end() {
        let mut entry = Entry {
            key: [0; 32].into(),
            partition: [0; 32].into(),
            tenant: Tenant::new("acme").unwrap(),
            text: None,
            embedding: None,
            dialect: Dialect::OpenAiChat,
            answer: "{}".into(),
            events: false,
            has_usage: true,
            stored: crate::now(),
            fresh_ms: 60_000,
            stale_ms: 10_000,
            tags: Vec::new(),
        };
        tokio::time::advance(Duration::from_secs(50)).await;
        let left = |entry: &Entry| {
            UntilStale.expire_after_create(&entry.key, &Arc::new(entry.clone()), crate::now())
        };
        assert_eq!(left(&entry), Some(Duration::from_secs(20)));
        entry.fresh_ms = 10_000;
        assert_eq!(left(&entry), Some(Duration::ZERO));
        entry.stale_ms = u64::MAX;
        assert!(left(&entry) > Some(Duration::from_secs(u64::MAX / 1001)));
    }
}
