use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use dashpot_cache::{Entry, Index, Key, Near, Place, StoreError};
use tokio::time::Instant;

use crate::{
    PostgresStore, statements,
    store::{Shared, decoded},
};

/// Of which dimensions there is an index, as far as is known here.
#[derive(Debug, Default)]
pub(crate) struct Indexes(Mutex<HashMap<usize, State>>);

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// Until then; somebody may remove the tables, and they are made again.
    Known(Instant),
    /// It could not be made, or another is at it: not to be tried before this.
    Later(Instant),
}

/// So many embedders have an index each; vectors of more lengths than these are searched through.
const MOST: usize = 8;

/// So long after it failed, it is tried again to make one.
const WAIT: Duration = Duration::from_secs(60);

/// So long after it was there, it is asked for again.
const KNOWN: Duration = Duration::from_secs(600);

impl Indexes {
    /// Whether it is to be made now, and by the caller.
    fn begin(&self, dimensions: usize, now: Instant) -> bool {
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = match states.get(&dimensions) {
            Some(State::Known(when) | State::Later(when)) => *when <= now,
            None => states.len() < MOST,
        };
        if is_due {
            states.insert(dimensions, State::Later(now + WAIT));
        }
        is_due
    }

    fn made(&self, dimensions: usize, now: Instant) {
        let known = State::Known(now + KNOWN);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(dimensions, known);
    }
}

impl Shared {
    /// Makes an index for vectors of this length, before the first is kept; once there are many, that takes a while.
    pub(crate) async fn ensure_index(&self, dimensions: usize) {
        let Some(sql) = statements::index(dimensions, &self.config.schema) else { return };
        if !self.indexes.begin(dimensions, Instant::now()) {
            return;
        }
        let made = async {
            let connection = self.pool.connection()?;
            connection.ask(connection.client.batch_execute(&sql)).await
        };
        match made.await {
            Ok(()) => self.indexes.made(dimensions, Instant::now()),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, dimensions, "there is no index");
            }
        }
    }
}

impl Index for PostgresStore {
    /// Of an entry that was put with what it means, there is nothing to do but to find that out.
    async fn insert(&self, entry: &Entry) -> Result<(), StoreError> {
        let Some(embedding) = &entry.embedding else { return Ok(()) };
        let connection = self.shared.pool.connection()?;
        let (key, partition) = (&entry.key.as_bytes()[..], &entry.partition.as_bytes()[..]);
        let vector = &**embedding.vector();
        let dimensions = i32::try_from(vector.len()).map_err(StoreError::new)?;
        let embed = &connection.statements.embed;
        connection.execute(embed, &[&key, &partition, &dimensions, &vector]).await.map(drop)
    }

    async fn search(&self, partition: Key, vector: &[f32], most: usize) -> Result<Vec<Near>, StoreError> {
        let connection = self.shared.pool.connection()?;
        let statement = connection.search(vector.len()).await?;
        let partition_bytes = &partition.as_bytes()[..];
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let small = i64::from(self.shared.config.exact_up_to);
        let rows = connection.rows(&statement, &[&partition_bytes, &vector, &most, &small]).await?;
        let near = rows.into_iter().map(|row| {
            let key: [u8; 32] = row.try_get::<_, &[u8]>(0)?.try_into()?;
            let place = Place { partition, key: key.into() };
            Ok(Near { key: place.key, entry: decoded(place, row.try_get(1)?) })
        });
        near.collect::<Result<_, Box<dyn std::error::Error + Send + Sync>>>().map_err(StoreError::new)
    }

    async fn remove(&self, partition: Key, key: Key) -> Result<(), StoreError> {
        let connection = self.shared.pool.connection()?;
        let (key, partition) = (&key.as_bytes()[..], &partition.as_bytes()[..]);
        connection.execute(&connection.statements.forget, &[&key, &partition]).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_index_is_made_once_and_tried_again_after_a_while() {
        let indexes = Indexes::default();
        assert!(indexes.begin(384, Instant::now()));
        assert!(!indexes.begin(384, Instant::now()));
        tokio::time::advance(WAIT).await;
        assert!(indexes.begin(384, Instant::now()));
        indexes.made(384, Instant::now());
        tokio::time::advance(WAIT).await;
        assert!(!indexes.begin(384, Instant::now()));
        tokio::time::advance(KNOWN).await;
        assert!(indexes.begin(384, Instant::now()));
    }

    #[tokio::test(start_paused = true)]
    async fn lengths_are_bounded() {
        let indexes = Indexes::default();
        let begun = (1..100).filter(|&dimensions| indexes.begin(dimensions, Instant::now())).count();
        assert_eq!(begun, MOST);
    }
}
