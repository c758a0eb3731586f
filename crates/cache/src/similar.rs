//! The semantic tier: what was asked in other words.

use std::{fmt, future::poll_fn, pin::Pin, sync::Arc};

use dashpot_core::{Embedding, Tenant};
use moka::sync::Cache;
use tower_service::Service;

use crate::{
    Entry, Index, Key,
    flight::BoxError,
    verify::{Refused, Score, Verify},
};

/// How similar questions are found, and which of them are the same question: an embedder, an index, and what verifies.
pub struct Similar<E, Ix> {
    embedder: E,
    id: Arc<str>,
    index: Arc<Ix>,
    verify: Verify,
    known: Cache<(Tenant, Arc<str>), Option<Embedding>>,
    most: usize,
}

impl<E, Ix: Index> Similar<E, Ix> {
    /// Similar questions by `embedder`: a service from texts to what they mean, in the same order, with `None` for a text
    /// that is longer than it reads. `id` names it with its version, since vectors of two embedders say nothing to each
    /// other: it joins the key.
    #[must_use]
    pub fn new(embedder: E, id: impl Into<Arc<str>>, index: Ix) -> Self {
        let known = Cache::builder()
            .max_capacity(KNOWN_BYTES)
            .weigher(|(_, text): &(Tenant, Arc<str>), embedding: &Option<Embedding>| {
                let bytes = 128 + text.len() + embedding.as_ref().map_or(0, Embedding::weight);
                u32::try_from(bytes).unwrap_or(u32::MAX)
            })
            .build();
        Self { embedder, id: id.into(), index: Arc::new(index), verify: Verify::default(), known, most: 4 }
    }

    /// What decides whether a similar question is the same. Default: [`Verify::default`].
    #[must_use]
    pub fn verify(self, verify: Verify) -> Self {
        Self { verify, ..self }
    }
}

/// So much is kept of what texts mean that were asked for lately, each tenant's for itself: else how long it takes would tell
/// whether another has asked the same.
const KNOWN_BYTES: u64 = 16 << 20;

/// A longer text, in bytes, is not looked for in other words: it is verified where others wait, and that takes longer than by
/// its length (`cargo xtask bench cache-quality`: 2 ms for this much, 35 for 64 KiB).
const LONGEST: usize = 8 << 10;

pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The tier as the layer knows it, whatever it is made of.
pub(crate) trait Tier: Send + Sync {
    fn id(&self) -> &str;

    /// What a text means; `None` if it is too long, or the embedder failed.
    fn embed<'a>(&'a self, tenant: &'a Tenant, text: &'a Arc<str>) -> BoxFuture<'a, Option<Embedding>>;

    /// The keys of entries whose questions may be the same.
    fn near<'a>(&'a self, partition: Key, embedding: &'a Embedding) -> BoxFuture<'a, Vec<Key>>;

    /// Whether a kept question is the same, and how far from being refused.
    fn verify(&self, text: &str, embedding: &Embedding, entry: &Entry) -> Result<Score, Refused>;

    /// An entry was kept.
    fn kept<'a>(&'a self, entry: &'a Entry) -> BoxFuture<'a, ()>;

    /// An entry is not there any more.
    fn gone(&self, partition: Key, key: Key) -> BoxFuture<'_, ()>;
}

impl<E, Ix> Tier for Similar<E, Ix>
where
    E: Service<Vec<Arc<str>>, Response = Vec<Option<Embedding>>> + Clone + Send + Sync + 'static,
    E::Future: Send,
    E::Error: Into<BoxError>,
    Ix: Index,
{
    fn id(&self) -> &str {
        &self.id
    }

    fn embed<'a>(&'a self, tenant: &'a Tenant, text: &'a Arc<str>) -> BoxFuture<'a, Option<Embedding>> {
        Box::pin(async move {
            if text.len() > LONGEST {
                return None;
            }
            let name = (tenant.clone(), text.clone());
            if let Some(known) = self.known.get(&name) {
                return known;
            }
            let mut embedder = self.embedder.clone();
            let embedded = async {
                poll_fn(|cx| embedder.poll_ready(cx)).await?;
                embedder.call(vec![text.clone()]).await
            };
            match embedded.await {
                Ok(embeddings) => {
                    let embedding = embeddings.into_iter().next().flatten();
                    self.known.insert(name, embedding.clone());
                    embedding
                }
                Err(error) => {
                    let error: BoxError = error.into();
                    tracing::warn!(%error, "the cache's embedder failed");
                    None
                }
            }
        })
    }

    fn near<'a>(&'a self, partition: Key, embedding: &'a Embedding) -> BoxFuture<'a, Vec<Key>> {
        Box::pin(async move {
            let found = self.index.search(partition, embedding.vector(), self.most).await;
            found.unwrap_or_else(|error| {
                tracing::warn!(cause = %error.cause(), "the cache's index failed");
                Vec::new()
            })
        })
    }

    fn verify(&self, text: &str, embedding: &Embedding, entry: &Entry) -> Result<Score, Refused> {
        // What the index has found has both.
        let (Some(kept_text), Some(kept)) = (&entry.text, &entry.embedding) else {
            return Err(Refused::by("similarity"));
        };
        self.verify.check((text, embedding), (kept_text, kept))
    }

    fn kept<'a>(&'a self, entry: &'a Entry) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if let Err(error) = self.index.insert(entry).await {
                tracing::warn!(cause = %error.cause(), "the cache's index did not take a question");
            }
        })
    }

    fn gone(&self, partition: Key, key: Key) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            // It is looked up again if this fails, and found to be gone again.
            drop(self.index.remove(partition, key).await);
        })
    }
}

impl<E, Ix> fmt::Debug for Similar<E, Ix> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Similar").field("id", &self.id).field("verify", &self.verify).finish_non_exhaustive()
    }
}
