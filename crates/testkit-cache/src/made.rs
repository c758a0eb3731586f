use std::{sync::Arc, time::Duration};

use dashpot_cache::{Entry, Key};
use dashpot_core::{Embedding, Tenant};
use dashpot_wire::dialect::Dialect;
use tokio::time::Instant;

/// An entry in the making.
#[derive(Clone, Debug)]
pub struct Made(Entry);

impl Made {
    /// An entry of this tenant, in this partition, with a key of its own, that ends in an hour.
    #[must_use]
    pub fn new(tenant: &Tenant, partition: Key) -> Self {
        Self(Entry {
            key: key(),
            partition,
            tenant: tenant.clone(),
            text: Some("Why is it so?".into()),
            embedding: None,
            dialect: Dialect::OpenAiChat,
            answer: "{}".into(),
            events: false,
            has_usage: true,
            stored: Instant::now().into_std(),
            fresh_ms: 3_000_000,
            stale_ms: 600_000,
            tags: Vec::new(),
        })
    }

    /// With this key.
    #[must_use]
    pub fn key(self, key: Key) -> Self {
        Self(Entry { key, ..self.0 })
    }

    /// With this answer.
    #[must_use]
    pub fn answer(self, answer: impl Into<String>) -> Self {
        Self(Entry { answer: answer.into().into(), ..self.0 })
    }

    /// With these tags.
    #[must_use]
    pub fn tags(self, tags: &[&str]) -> Self {
        Self(Entry { tags: tags.iter().map(|&tag| tag.into()).collect(), ..self.0 })
    }

    /// That means this.
    #[must_use]
    pub fn meaning(self, vector: &[f32]) -> Self {
        Self(Entry { embedding: Embedding::new(vector), ..self.0 })
    }

    /// That ends so soon, half of it stale.
    #[must_use]
    pub fn ends_in(self, time: Duration) -> Self {
        let half = u64::try_from(time.as_millis()).unwrap_or(u64::MAX) / 2;
        Self(Entry { fresh_ms: half, stale_ms: half, ..self.0 })
    }

    /// The entry.
    #[must_use]
    pub fn done(self) -> Arc<Entry> {
        Arc::new(self.0)
    }
}

/// A key that no other has.
#[must_use]
pub(crate) fn key() -> Key {
    Key::from(std::array::from_fn(|_| fastrand::u8(..)))
}

/// A tenant whose name begins so, and that is no other's.
#[must_use]
pub fn unique(begin: &str) -> Tenant {
    Tenant::new(&format!("{begin}{:032x}", fastrand::u128(..))).unwrap()
}
