mod memory;

use std::{error::Error, fmt, sync::Arc};

use dashpot_core::Tenant;

pub use self::memory::MemoryStore;
use crate::{Entry, Key, Lease, Place};

/// Where answers are kept.
///
/// An error, or an answer that does not come in time, is a miss to the cache and nothing worse. Any of these can be dropped
/// halfway, as the requests are that wait for them. `dashpot-cache-redis` and `dashpot-cache-postgres` are stores that several
/// processes share; what a store is to be, beyond these lines, is said by the tests that all of them pass.
pub trait Store: Send + Sync + 'static {
    /// The entry at this place.
    fn get(&self, place: Place) -> impl Future<Output = Result<Option<Arc<Entry>>, StoreError>> + Send;

    /// The entries of these keys in one partition, in the same order. Default: one [`get`](Self::get) after another.
    fn get_all(
        &self,
        partition: Key,
        keys: &[Key],
    ) -> impl Future<Output = Result<Vec<Option<Arc<Entry>>>, StoreError>> + Send {
        async move {
            let mut entries = Vec::with_capacity(keys.len());
            for &key in keys {
                entries.push(self.get(Place { partition, key }).await?);
            }
            Ok(entries)
        }
    }

    /// A tenant's entry, of which only the key is known: no request waits for it.
    fn find(
        &self,
        tenant: &Tenant,
        key: Key,
    ) -> impl Future<Output = Result<Option<Arc<Entry>>, StoreError>> + Send;

    /// Keeps an entry, in place of one with the same key; whether it does.
    ///
    /// Of a call that has a [lease](crate::Leases), it does only while that is held, and looks and writes in one step: whoever
    /// was thought to be gone does not overwrite what came after. A store without leases need not look at it.
    fn put(
        &self,
        entry: Arc<Entry>,
        lease: Option<Lease>,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Removes entries.
    fn remove(&self, what: Removal) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Which entries to remove; always those of one tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removal {
    /// The one with this key.
    Entry(Tenant, Key),
    /// All with this tag.
    Tagged(Tenant, String),
    /// All.
    Tenant(Tenant),
}

impl Removal {
    /// Whether it is about this entry.
    #[must_use]
    pub fn is_about(&self, entry: &Entry) -> bool {
        match self {
            Self::Entry(tenant, key) => entry.tenant == *tenant && entry.key == *key,
            Self::Tagged(tenant, tag) => {
                entry.tenant == *tenant && entry.tags.iter().any(|known| **known == **tag)
            }
            Self::Tenant(tenant) => entry.tenant == *tenant,
        }
    }
}

/// Why a store did not do what it was asked.
#[derive(Debug)]
pub struct StoreError(Box<dyn Error + Send + Sync>);

impl StoreError {
    /// An error of the engine behind it.
    #[must_use]
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }

    /// What the engine said, for the log.
    pub(crate) fn cause(&self) -> &(dyn Error + 'static) {
        &*self.0
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the store failed")
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.cause())
    }
}
