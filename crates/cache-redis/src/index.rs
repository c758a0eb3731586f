use dashpot_cache::{Entry, Index, Key, Near, Place, StoreError};
use redis::{RedisResult, Value, cmd, from_redis_value};
use sha2::{Digest, Sha256};

use crate::{
    RedisStore, Semantic,
    connection::{Connection, array, bytes},
    names,
    scripts::Script,
    store::{decoded, unless_foreign},
};

/// How many neighbours a vector set follows in search of the nearest. A partition of thousands is searched as if through all of
/// it, by `tests/redis/nearest.rs`.
const EFFORT: &str = "200";

/// What an entry means, as it is written.
pub(crate) struct Vector {
    pub(crate) dimensions: usize,
    /// Its length, and a hash of it: what is written already is not written again.
    how: Vec<u8>,
    bytes: Vec<u8>,
    /// For an engine that has vectors in the entries, what these are filtered by.
    partition: String,
}

impl Vector {
    /// `None` if it means nothing, or nothing is searched.
    pub(crate) fn of(entry: &Entry, semantic: Semantic) -> Option<Self> {
        let vector = entry.embedding.as_ref()?.vector();
        let bytes = in_bytes(vector);
        let partition = match semantic {
            Semantic::VectorSets => String::new(),
            Semantic::Search => entry.partition.to_string(),
            Semantic::None => return None,
        };
        let mut how = format!("{} ", vector.len()).into_bytes();
        how.extend_from_slice(&Sha256::digest(&bytes)[..16]);
        Some(Self { dimensions: vector.len(), how, bytes, partition })
    }

    pub(crate) fn parts(&self) -> [&[u8]; 3] {
        [&self.how, &self.bytes, self.partition.as_bytes()]
    }
}

fn in_bytes(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|number| number.to_le_bytes()).collect()
}

impl Index for RedisStore {
    /// Of an entry that was put with what it means, there is nothing to do but to find that out.
    async fn insert(&self, entry: &Entry) -> Result<(), StoreError> {
        let connection = self.connection()?;
        let Some(vector) = Vector::of(entry, connection.semantic) else { return Ok(()) };
        connection.ensure_index(self.prefix(), vector.dimensions).await.map_err(StoreError::new)?;
        let (base, name) = (names::base(self.prefix(), entry.partition), entry.key.to_string());
        let [how, vector, partition] = vector.parts();
        let with: &[&[u8]] = &[base.as_bytes(), name.as_bytes(), how, vector, partition];
        connection.run(Script::Index, base.as_bytes(), with).await.map_err(StoreError::new)?;
        Ok(())
    }

    async fn search(&self, partition: Key, vector: &[f32], most: usize) -> Result<Vec<Near>, StoreError> {
        let connection = self.connection()?;
        if most == 0 || vector.is_empty() {
            return Ok(Vec::new());
        }
        let found = match connection.semantic {
            Semantic::VectorSets => self.in_set(&connection, partition, vector, most).await,
            Semantic::Search => self.in_hashes(&connection, partition, vector, most).await,
            Semantic::None => return Ok(Vec::new()),
        };
        let Some(Value::Array(found)) = unless_foreign(found)? else { return Ok(Vec::new()) };
        // The name of each is followed by its bytes.
        let (mut found, mut near) = (found.into_iter().map(bytes), Vec::new());
        while let (Some(Some(name)), Some(data)) = (found.next(), found.next()) {
            let Some(key) = std::str::from_utf8(&name).ok().and_then(|name| name.parse().ok()) else {
                continue;
            };
            near.push(Near { key, entry: data.and_then(|data| decoded(Place { partition, key }, &data)) });
        }
        Ok(near)
    }

    async fn remove(&self, partition: Key, key: Key) -> Result<(), StoreError> {
        let connection = self.connection()?;
        let (base, name) = (names::base(self.prefix(), partition), key.to_string());
        let with: &[&[u8]] = &[base.as_bytes(), name.as_bytes()];
        connection.run(Script::Forget, base.as_bytes(), with).await.map_err(StoreError::new)?;
        Ok(())
    }
}

impl RedisStore {
    async fn in_set(
        &self,
        connection: &Connection,
        partition: Key,
        vector: &[f32],
        most: usize,
    ) -> RedisResult<Value> {
        let base = names::base(self.prefix(), partition);
        let (dimensions, most) = (vector.len().to_string(), most.to_string());
        let vector = in_bytes(vector);
        let with: &[&[u8]] =
            &[base.as_bytes(), dimensions.as_bytes(), &vector, most.as_bytes(), EFFORT.as_bytes()];
        connection.run(Script::Near, base.as_bytes(), with).await
    }

    async fn in_hashes(
        &self,
        connection: &Connection,
        partition: Key,
        vector: &[f32],
        most: usize,
    ) -> RedisResult<Value> {
        let dimensions = vector.len();
        let query = format!("(@p:{{{partition}}})=>[KNN {most} @v{dimensions} $vector AS distance]");
        let mut search = cmd("FT.SEARCH");
        search.arg(names::index(self.prefix(), dimensions)).arg(query);
        search.arg("PARAMS").arg(2).arg("vector").arg(in_bytes(vector));
        search.arg("RETURN").arg(2).arg("d").arg("distance");
        search.arg("LIMIT").arg(0).arg(most).arg("DIALECT").arg(2);
        match connection.ask(&search).await {
            Ok(found) => of_hashes(array(found)?),
            // Nothing of this length was kept yet, or all was thrown away.
            Err(error) if is_no_index(&error.to_string()) => {
                connection.lost_index(dimensions);
                Ok(Value::Array(Vec::new()))
            }
            Err(error) => Err(error),
        }
    }
}

/// As RediSearch says it, and as Valkey's module does.
fn is_no_index(error: &str) -> bool {
    let error = error.to_lowercase();
    error.contains("no such index") || error.contains("unknown index") || error.contains("not found")
}

/// Names and bytes, the nearest first, out of how many there are, and for each the name of its hash and its fields. They may come
/// in any order: not every engine can be told to sort them.
fn of_hashes(found: Vec<Value>) -> RedisResult<Value> {
    let (mut found, mut all) = (found.into_iter().skip(1), Vec::new());
    while let (Some(Value::BulkString(name)), Some(fields)) = (found.next(), found.next()) {
        // One that has just ended has no fields.
        let Value::Array(fields) = fields else { continue };
        let (mut data, mut distance) = (Value::Nil, f32::INFINITY);
        let mut fields = fields.into_iter();
        while let (Some(Value::BulkString(field)), Some(value)) = (fields.next(), fields.next()) {
            match &*field {
                b"d" => data = value,
                _ => distance = from_redis_value(value)?,
            }
        }
        // A key in hexadecimal digits is the end of it.
        let name = name.get(name.len().saturating_sub(64)..).unwrap_or_default().to_vec();
        all.push((distance, [Value::BulkString(name), data]));
    }
    all.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    Ok(Value::Array(all.into_iter().flat_map(|(_, pair)| pair).collect()))
}
