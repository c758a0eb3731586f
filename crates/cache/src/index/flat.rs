mod partition;
mod signs;

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use self::partition::{Code, Partition};
use super::Index;
use crate::{Entry, Key, Near, StoreError};

/// An index in this process that looks at every question of a partition: at the signs of its numbers first, then at the
/// numbers, each in a byte, of some hundreds whose signs are the most like those that are looked for.
///
/// There is nothing to build and nothing to tune: what is added or removed is so at once, however many there are. Up to 256
/// questions nothing is missed but what the rounding hides. Of more, the nearest is missed if the signs of 256 others are more
/// alike: among 100,000 real texts of 384 numbers it was not, for any of 1,600 others (`benches/index.rs`); where hundreds are about
/// as near, one of them may be found in its place. A question takes the bytes of its numbers, an eighth as many for their
/// signs, and about 150 more.
#[derive(Debug)]
pub struct FlatIndex {
    partitions: RwLock<HashMap<Key, Arc<RwLock<Partition>>>>,
    /// The entries in the order in which they came, the oldest first.
    order: Mutex<VecDeque<(Key, Key)>>,
    max_entries: usize,
}

impl FlatIndex {
    /// An index of at most so many entries, in all partitions together; beyond, the oldest are forgotten.
    ///
    /// # Panics
    /// If there is room for none.
    #[must_use]
    pub fn new(max_entries: usize) -> Self {
        assert!(max_entries > 0, "an index has room for an entry");
        Self { partitions: RwLock::default(), order: Mutex::default(), max_entries }
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        let partitions = self.partitions.read().unwrap_or_else(PoisonError::into_inner);
        partitions.values().map(|partition| read(partition, Partition::len)).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn partition(&self, key: Key) -> Option<Arc<RwLock<Partition>>> {
        self.partitions.read().unwrap_or_else(PoisonError::into_inner).get(&key).cloned()
    }

    fn forget(&self, partition: Key, key: Key) {
        let Some(entries) = self.partition(partition) else { return };
        let is_empty = {
            let mut entries = entries.write().unwrap_or_else(PoisonError::into_inner);
            entries.remove(key);
            entries.len() == 0
        };
        if is_empty {
            let mut partitions = self.partitions.write().unwrap_or_else(PoisonError::into_inner);
            // One may have been added since.
            if partitions.get(&partition).is_some_and(|entries| read(entries, Partition::len) == 0) {
                partitions.remove(&partition);
            }
        }
    }

    fn add(&self, partition: Key, key: Key, code: Code) {
        // Under the lock of all: a partition that is empty and forgotten in this moment would take it along.
        let mut partitions = self.partitions.write().unwrap_or_else(PoisonError::into_inner);
        let entries = partitions.entry(partition).or_default();
        let is_new = entries.write().unwrap_or_else(PoisonError::into_inner).insert(key, code);
        drop(partitions);
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        if is_new {
            order.push_back((partition, key));
        }
        // What was removed meanwhile is still in the order; it makes room as well.
        let oldest = if order.len() > self.max_entries { order.pop_front() } else { None };
        drop(order);
        if let Some((partition, key)) = oldest {
            self.forget(partition, key);
        }
    }
}

impl Index for FlatIndex {
    async fn insert(&self, entry: &Entry) -> Result<(), StoreError> {
        if let Some(embedding) = &entry.embedding {
            self.add(entry.partition, entry.key, Code::of(embedding.vector()));
        }
        Ok(())
    }

    async fn search(&self, partition: Key, vector: &[f32], most: usize) -> Result<Vec<Near>, StoreError> {
        let Some(entries) = self.partition(partition) else { return Ok(Vec::new()) };
        let code = Code::of(vector);
        let keys = read(&entries, |entries| entries.nearest(&code, most));
        Ok(keys.into_iter().map(Near::from).collect())
    }

    async fn remove(&self, partition: Key, key: Key) -> Result<(), StoreError> {
        self.forget(partition, key);
        Ok(())
    }
}

fn read<T>(entries: &RwLock<Partition>, look: impl FnOnce(&Partition) -> T) -> T {
    look(&entries.read().unwrap_or_else(PoisonError::into_inner))
}
