use std::{fmt, sync::Arc, time::Duration};

use dashpot_cache::{Entry, Key, Lease, Place, Removal, Store, StoreError};
use dashpot_core::Tenant;
use futures_util::future::try_join_all;
use redis::{RedisError, RedisResult, Value, cmd};

use crate::{
    Config, ConfigError, Semantic,
    connection::{Connection, array, bytes, number},
    index::Vector,
    keeper::Keeper,
    names,
    scripts::Script,
};

/// Entries in Redis, found by key and by meaning. Clones are the same store: one is the cache's [`Store`], another its
/// [`Index`](dashpot_cache::Index), a third its [`Leases`](dashpot_cache::Leases).
///
/// The connection ends with the last clone.
#[derive(Clone)]
pub struct RedisStore {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) config: Config,
    keeper: Keeper,
}

/// No entry is kept for longer: a hundred years.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 86_400);

/// Of a list, so many partitions are looked at together, and so many of one's entries are removed in one step.
const PARTITIONS_AT_ONCE: usize = 64;
const ENTRIES_AT_ONCE: i64 = 500;

impl RedisStore {
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
        let keeper = Keeper::start(&config)?;
        Ok(Self { shared: Arc::new(Shared { config, keeper }) })
    }

    /// Waits until it is connected.
    pub async fn connected(&self) {
        self.shared.keeper.connected().await;
    }

    /// What the server has for finding what is similar; `None` while it is not connected.
    #[must_use]
    pub fn semantic(&self) -> Option<Semantic> {
        self.shared.keeper.connection().ok().map(|connection| connection.semantic)
    }

    pub(crate) fn connection(&self) -> Result<Arc<Connection>, StoreError> {
        self.shared.keeper.connection()
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.shared.config.prefix
    }

    async fn entry(&self, connection: &Connection, place: Place) -> Result<Option<Arc<Entry>>, StoreError> {
        let name = names::entry(self.prefix(), place.partition, place.key);
        let data = unless_foreign(connection.ask(cmd("HGET").arg(name).arg("d")).await)?;
        Ok(data.and_then(bytes).and_then(|data| decoded(place, &data)))
    }

    /// Says on the lists of an entry's tenant and tags in which partition it is, before it is there: so all that is there can be
    /// found. What is on a list and not there does no harm.
    async fn enlist(&self, connection: &Connection, entry: &Entry, left: &[u8]) -> Result<(), StoreError> {
        let ours =
            [names::of_tenant(&entry.tenant), names::owner(&Removal::Entry(entry.tenant.clone(), entry.key))];
        let owners = ours.into_iter().chain(entry.tags.iter().map(|tag| names::of_tag(&entry.tenant, tag)));
        let lists: Vec<_> = owners.map(|owner| names::list(self.prefix(), owner)).collect();
        let with: &[&[u8]] = &[entry.partition.as_bytes(), left];
        let enlisted = lists.iter().map(|list| connection.run(Script::Enlist, list, with));
        try_join_all(enlisted).await.map_err(StoreError::new)?;
        Ok(())
    }

    /// The partitions on a list, some more with each cursor.
    async fn listed(
        &self,
        connection: &Connection,
        list: &[u8],
        cursor: &[u8],
    ) -> RedisResult<(Vec<u8>, Vec<Key>)> {
        let answer = connection.ask(cmd("ZSCAN").arg(list).arg(cursor).arg("COUNT").arg(1_000)).await?;
        let [cursor, members]: [Value; 2] =
            array(answer)?.try_into().map_err(|_| crate::connection::odd())?;
        let cursor = bytes(cursor).ok_or_else(crate::connection::odd)?;
        // Each is followed by its score. What is no key is somebody else's.
        let members = array(members)?.into_iter().step_by(2).filter_map(bytes);
        let keys = members.filter_map(|member| <[u8; 32]>::try_from(member).ok()).map(Key::from);
        Ok((cursor, keys.collect()))
    }

    async fn remove_from(&self, connection: &Connection, partition: Key, what: &Removal) -> RedisResult<()> {
        let base = names::base(self.prefix(), partition);
        let (owner, name) = match what {
            Removal::Entry(tenant, key) => (names::of_tenant(tenant), key.to_string()),
            other => (names::owner(other), String::new()),
        };
        let with: &[&[u8]] = &[base.as_bytes(), &owner, name.as_bytes()];
        while number(&connection.run(Script::Remove, base.as_bytes(), with).await?)? >= ENTRIES_AT_ONCE {}
        Ok(())
    }
}

impl Store for RedisStore {
    async fn get(&self, place: Place) -> Result<Option<Arc<Entry>>, StoreError> {
        self.entry(&*self.connection()?, place).await
    }

    async fn get_all(&self, partition: Key, keys: &[Key]) -> Result<Vec<Option<Arc<Entry>>>, StoreError> {
        let connection = self.connection()?;
        try_join_all(keys.iter().map(|&key| self.entry(&connection, Place { partition, key }))).await
    }

    async fn find(&self, tenant: &Tenant, key: Key) -> Result<Option<Arc<Entry>>, StoreError> {
        let connection = self.connection()?;
        let list = names::list(self.prefix(), names::owner(&Removal::Entry(tenant.clone(), key)));
        let (_, partitions) = self.listed(&connection, &list, b"0").await.map_err(StoreError::new)?;
        for partition in partitions {
            let entry = self.entry(&connection, Place { partition, key }).await?;
            if let Some(entry) = entry.filter(|entry| entry.tenant == *tenant) {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    async fn put(&self, entry: Arc<Entry>, lease: Option<Lease>) -> Result<bool, StoreError> {
        let connection = self.connection()?;
        // What is past its time need not be written, but what was there before is not to be given either.
        let left = entry.left(tokio::time::Instant::now().into_std()).unwrap_or_default().min(LONGEST);
        let left = left.as_millis().to_string();
        let vector = Vector::of(&entry, connection.semantic);
        if let Some(vector) = &vector {
            // If it cannot be made now, it can by what is put later.
            let made = connection.ensure_index(self.prefix(), vector.dimensions).await;
            made.unwrap_or_else(|error| {
                tracing::warn!(error = &error as &dyn std::error::Error, "there is no index");
            });
        }
        self.enlist(&connection, &entry, left.as_bytes()).await?;
        let tags = entry.tags.iter().map(|tag| names::of_tag(&entry.tenant, tag));
        let owners: Vec<u8> =
            std::iter::once(names::of_tenant(&entry.tenant)).chain(tags).flatten().collect();
        let (base, name) = (names::base(self.prefix(), entry.partition), entry.key.to_string());
        let token = lease.map(token).unwrap_or_default();
        let data = entry.encode();
        let [how, vector, partition] = vector.as_ref().map(Vector::parts).unwrap_or_default();
        let with: &[&[u8]] = &[
            base.as_bytes(),
            name.as_bytes(),
            token.as_bytes(),
            left.as_bytes(),
            &data,
            &owners,
            how,
            vector,
            partition,
        ];
        let kept = connection.run(Script::Put, base.as_bytes(), with).await.map_err(StoreError::new)?;
        Ok(number(&kept).map_err(StoreError::new)? == 1)
    }

    async fn remove(&self, what: Removal) -> Result<(), StoreError> {
        let connection = self.connection()?;
        let list = names::list(self.prefix(), names::owner(&what));
        let mut cursor = b"0".to_vec();
        loop {
            let partitions;
            (cursor, partitions) = self.listed(&connection, &list, &cursor).await.map_err(StoreError::new)?;
            for some in partitions.chunks(PARTITIONS_AT_ONCE) {
                let removed = some.iter().map(|&partition| self.remove_from(&connection, partition, &what));
                try_join_all(removed).await.map_err(StoreError::new)?;
            }
            if cursor == b"0" {
                return Ok(());
            }
        }
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("config", &self.shared.config)
            .field("keeper", &self.shared.keeper)
            .finish()
    }
}

/// A lease's token as it is written.
pub(crate) fn token(lease: Lease) -> String {
    format!("{:032x}", lease.token)
}

/// What is of another type is somebody else's, and as if it were not there.
pub(crate) fn unless_foreign(answer: Result<Value, RedisError>) -> Result<Option<Value>, StoreError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.code() == Some("WRONGTYPE") => Ok(None),
        Err(error) => Err(StoreError::new(error)),
    }
}

/// The entry that was kept at this place. What is none, or another's, is as if it were not there: who wrote it may be of a
/// later release, and it is no reason not to ask for others.
pub(crate) fn decoded(place: Place, data: &[u8]) -> Option<Arc<Entry>> {
    let entry = Entry::decode(data).ok().filter(|entry| entry.place() == place);
    if entry.is_none() {
        tracing::debug!(?place, "what Redis has there is no entry of this cache");
    }
    entry.map(Arc::new)
}
