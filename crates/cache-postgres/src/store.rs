use std::{fmt, sync::Arc, time::Duration};

use dashpot_cache::{Entry, Key, Lease, Place, Removal, Store, StoreError};
use dashpot_core::Tenant;
use sha2::{Digest, Sha256};
use tokio_postgres::types::ToSql;

use crate::{Config, ConfigError, index::Indexes, pool::Pool};

/// Entries in PostgreSQL, found by key and by meaning. Clones are the same store: one is the cache's
/// [`Store`], another its [`Index`](dashpot_cache::Index), a third its [`Leases`](dashpot_cache::Leases).
///
/// The connections end with the last clone.
#[derive(Clone)]
pub struct PostgresStore {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) pool: Pool,
    pub(crate) indexes: Indexes,
}

/// No entry is kept for longer: a hundred years, which a date can say.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 86_400);

impl PostgresStore {
    /// A store that begins to connect. Until it has, and whenever it is not, everything fails at once, which is a miss to the
    /// cache.
    ///
    /// # Errors
    ///
    /// If TLS cannot be set up.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        let pool = Pool::start(&config)?;
        Ok(Self { shared: Arc::new(Shared { config, pool, indexes: Indexes::default() }) })
    }

    /// Waits until it is connected, and the tables are there.
    pub async fn connected(&self) {
        self.shared.pool.connected().await;
    }

    pub(crate) async fn put_row(&self, entry: &Entry, lease: Option<Lease>) -> Result<bool, StoreError> {
        // What is past its time need not be written, but what was there before is not to be given either.
        let left = entry.left(tokio::time::Instant::now().into_std()).unwrap_or_default().min(LONGEST);
        let left = left.as_secs_f64() * 1e3;
        let vector = entry.embedding.as_ref().map(|embedding| &**embedding.vector());
        let dimensions = vector.and_then(|vector| i32::try_from(vector.len()).ok());
        if let Some(vector) = vector {
            self.shared.ensure_index(vector.len()).await;
        }
        let connection = self.shared.pool.connection()?;
        let (key, partition) = (&entry.key.as_bytes()[..], &entry.partition.as_bytes()[..]);
        let (tenant, data) = (hash(&entry.tenant, None), entry.encode());
        let tags: Vec<_> = entry.tags.iter().map(|tag| hash(&entry.tenant, Some(tag))).collect();
        let tags = (!tags.is_empty()).then_some(tags);
        let token = lease.map(|lease| lease.token.to_be_bytes());
        let tenant = &tenant[..];
        let mut values: Vec<&(dyn ToSql + Sync)> =
            vec![&key, &partition, &tenant, &tags, &left, &dimensions, &vector, &data];
        let token = token.as_ref().map(|token| &token[..]);
        let statement = match &token {
            Some(token) => {
                values.push(token);
                &connection.statements.put_leased
            }
            None => &connection.statements.put,
        };
        let kept = connection.execute(statement, &values).await?;
        Ok(kept > 0)
    }
}

impl Store for PostgresStore {
    async fn get(&self, place: Place) -> Result<Option<Arc<Entry>>, StoreError> {
        let connection = self.shared.pool.connection()?;
        let Bytes { key, partition } = Bytes::of(&place);
        let row = connection.row(&connection.statements.get, &[&key, &partition]).await?;
        let Some(row) = row else { return Ok(None) };
        Ok(decoded(place, row.try_get(0).map_err(StoreError::new)?))
    }

    async fn get_all(&self, partition: Key, keys: &[Key]) -> Result<Vec<Option<Arc<Entry>>>, StoreError> {
        let connection = self.shared.pool.connection()?;
        let wanted: Vec<&[u8]> = keys.iter().map(|key| &key.as_bytes()[..]).collect();
        let partition_bytes = &partition.as_bytes()[..];
        let get_all = &connection.statements.get_all;
        let mut entries = vec![None; keys.len()];
        for row in connection.rows(get_all, &[&wanted, &partition_bytes]).await? {
            let (found, data): (&[u8], &[u8]) =
                (row.try_get(0).map_err(StoreError::new)?, row.try_get(1).map_err(StoreError::new)?);
            for (&key, entry) in keys.iter().zip(&mut entries) {
                if key.as_bytes()[..] == *found {
                    *entry = decoded(Place { partition, key }, data);
                }
            }
        }
        Ok(entries)
    }

    async fn find(&self, tenant: &Tenant, key: Key) -> Result<Option<Arc<Entry>>, StoreError> {
        let connection = self.shared.pool.connection()?;
        let (key_bytes, tenant_hash) = (&key.as_bytes()[..], &hash(tenant, None)[..]);
        let row = connection.row(&connection.statements.find, &[&key_bytes, &tenant_hash]).await?;
        let Some(row) = row else { return Ok(None) };
        let entry = Entry::decode(row.try_get(0).map_err(StoreError::new)?).ok();
        Ok(entry.filter(|entry| entry.key == key && entry.tenant == *tenant).map(Arc::new))
    }

    async fn put(&self, entry: Arc<Entry>, lease: Option<Lease>) -> Result<bool, StoreError> {
        self.put_row(&entry, lease).await
    }

    async fn remove(&self, what: Removal) -> Result<(), StoreError> {
        let connection = self.shared.pool.connection()?;
        let statements = &connection.statements;
        let (statement, values) = match &what {
            Removal::Entry(tenant, key) => {
                (&statements.remove_entry, vec![key.as_bytes().to_vec(), hash(tenant, None)])
            }
            Removal::Tagged(tenant, tag) => (&statements.remove_tagged, vec![hash(tenant, Some(tag))]),
            Removal::Tenant(tenant) => (&statements.remove_tenant, vec![hash(tenant, None)]),
        };
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
        // Fewer than there is room for need not be the last: another may have removed some of those that were found.
        while connection.execute(statement, &values).await? > 0 {}
        Ok(())
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("config", &self.shared.config).finish_non_exhaustive()
    }
}

/// A place as the database knows it.
pub(crate) struct Bytes<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) partition: &'a [u8],
}

impl<'a> Bytes<'a> {
    pub(crate) fn of(place: &'a Place) -> Self {
        Self { key: place.key.as_bytes(), partition: place.partition.as_bytes() }
    }
}

/// The entry that was kept at this place. What is none, or another's, is as if it were not there: who wrote it may be of a
/// later release, and it is no reason not to ask for others.
pub(crate) fn decoded(place: Place, data: &[u8]) -> Option<Arc<Entry>> {
    let entry = Entry::decode(data).ok().filter(|entry| entry.place() == place);
    if entry.is_none() {
        tracing::debug!(?place, "what the database has there is no entry of this cache");
    }
    entry.map(Arc::new)
}

/// A tenant, or one of its tags, as it is looked for.
fn hash(tenant: &Tenant, tag: Option<&str>) -> Vec<u8> {
    let tenant = tenant.as_str().as_bytes();
    let mut hash = Sha256::new_with_prefix(tenant.len().to_le_bytes());
    hash.update(tenant);
    hash.update([u8::from(tag.is_some())]);
    hash.update(tag.unwrap_or_default());
    hash.finalize()[..16].to_vec()
}
