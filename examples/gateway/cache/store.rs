//! Where the answers are: in this process, or where others see them too.

use std::sync::Arc;

use dashpot::{
    cache::{Entry, Key, Lease, MemoryStore, Place, Removal, Store, StoreError},
    cache_postgres::PostgresStore,
    cache_redis::RedisStore,
    core::Tenant,
};

use crate::config::{self, Where};

/// Whichever `cache.store` names. Clones are the same store.
#[derive(Clone, Debug)]
pub(crate) enum AnyStore {
    Memory(MemoryStore),
    Postgres(PostgresStore),
    Redis(RedisStore),
}

/// Asks each the same. What a server is asked is kept in a box: it is some kilobytes, which each request would carry along,
/// and copy from layer to layer, where the answers are in memory.
macro_rules! each {
    ($store:expr, $inner:ident => $what:expr) => {
        match $store {
            AnyStore::Memory($inner) => $what.await,
            AnyStore::Postgres($inner) => Box::pin($what).await,
            AnyStore::Redis($inner) => Box::pin($what).await,
        }
    };
}

impl AnyStore {
    /// `None` if there is to be no cache. A server need not be there: it is connected when it is.
    pub(super) fn new(config: &config::Cache) -> Result<Option<Self>, String> {
        Ok(match config.store.read()? {
            Where::Memory if config.max_bytes == 0 => None,
            Where::Memory => Some(Self::Memory(MemoryStore::new(config.max_bytes))),
            Where::Postgres(server) => {
                let store = PostgresStore::new(*server).map_err(|error| format!("cache.store: {error}"))?;
                Some(Self::Postgres(store))
            }
            Where::Redis(server) => {
                let store = RedisStore::new(*server).map_err(|error| format!("cache.store: {error}"))?;
                Some(Self::Redis(store))
            }
        })
    }

    /// The one that ends with this process, if it is that.
    pub(crate) fn memory(&self) -> Option<&MemoryStore> {
        match self {
            Self::Memory(store) => Some(store),
            Self::Postgres(_) | Self::Redis(_) => None,
        }
    }
}

impl Store for AnyStore {
    async fn get(&self, place: Place) -> Result<Option<Arc<Entry>>, StoreError> {
        each!(self, store => store.get(place))
    }

    async fn get_all(&self, partition: Key, keys: &[Key]) -> Result<Vec<Option<Arc<Entry>>>, StoreError> {
        each!(self, store => store.get_all(partition, keys))
    }

    async fn find(&self, tenant: &Tenant, key: Key) -> Result<Option<Arc<Entry>>, StoreError> {
        each!(self, store => store.find(tenant, key))
    }

    async fn put(&self, entry: Arc<Entry>, lease: Option<Lease>) -> Result<bool, StoreError> {
        each!(self, store => store.put(entry, lease))
    }

    async fn remove(&self, what: Removal) -> Result<(), StoreError> {
        each!(self, store => store.remove(what))
    }
}
