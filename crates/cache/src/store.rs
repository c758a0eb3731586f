mod memory;

use std::{error::Error, fmt, sync::Arc};

use dashpot_core::Tenant;

pub use self::memory::MemoryStore;
use crate::{Entry, Key};

/// Where answers are kept.
///
/// An error, or an answer that does not come in time, is a miss to the cache and nothing worse.
pub trait Store: Send + Sync + 'static {
    /// The entry of this key.
    fn get(&self, key: Key) -> impl Future<Output = Result<Option<Arc<Entry>>, StoreError>> + Send;

    /// Keeps an entry, in place of one with the same key.
    fn put(&self, entry: Arc<Entry>) -> impl Future<Output = Result<(), StoreError>> + Send;

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
