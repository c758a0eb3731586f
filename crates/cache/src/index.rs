mod flat;

use std::sync::Arc;

pub use self::flat::FlatIndex;
use crate::{Entry, Key, StoreError};

/// Which kept questions mean nearly the same as another, within one partition.
///
/// It proposes; what it proposes is looked up, scored again and verified. An error, or an answer that does not come in time,
/// is a miss to the cache and nothing worse.
pub trait Index: Send + Sync + 'static {
    /// Adds an entry that has an embedding, in place of one with the same key.
    fn insert(&self, entry: &Entry) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Up to `most` entries of the partition, those first that point most as `vector` does.
    ///
    /// Of a length of its own, `vector` is near to none.
    fn search(
        &self,
        partition: Key,
        vector: &[f32],
        most: usize,
    ) -> impl Future<Output = Result<Vec<Near>, StoreError>> + Send;

    /// Forgets an entry that is not there any more.
    fn remove(&self, partition: Key, key: Key) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// An entry that an index proposes.
#[derive(Clone, Debug)]
pub struct Near {
    /// Which.
    pub key: Key,
    /// The entry, if the index can say more than that in the same answer; else the store is asked.
    pub entry: Option<Arc<Entry>>,
}

impl From<Key> for Near {
    fn from(key: Key) -> Self {
        Self { key, entry: None }
    }
}
