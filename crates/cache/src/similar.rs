//! The semantic tier: what was asked in other words.

use std::{fmt, future::poll_fn, sync::Arc};

use dashpot_core::{Embedding, Tenant};
use moka::sync::Cache;
use tower_service::Service;

use crate::{
    Entry, Index, Key, Learning, Near, StoreError,
    ask::{Ask, BoxFuture},
    feedback::Feedback,
    flight::BoxError,
    judge::Candidate,
    verify::{Refused, Verify},
};

/// How similar questions are found, and which of them are the same question: an embedder, an index, and what verifies.
pub struct Similar<E, Ix> {
    embedder: E,
    id: Arc<str>,
    index: Arc<Ix>,
    verify: Verify,
    known: Cache<(Tenant, Arc<str>), Option<Embedding>>,
    most: usize,
    learning: Option<Learning>,
    verifier: Option<Arc<dyn Ask<Candidate>>>,
    feedback: Feedback,
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
        Self {
            embedder,
            id: id.into(),
            index: Arc::new(index),
            verify: Verify::default(),
            known,
            most: 4,
            learning: None,
            verifier: None,
            feedback: Feedback::default(),
        }
    }

    /// What decides whether a similar question is the same. Default: [`Verify::default`].
    #[must_use]
    pub fn verify(self, verify: Verify) -> Self {
        Self { verify, ..self }
    }

    /// Learns from comparisons which questions are the same: of [`Verify`] only the [guard](crate::verify::guard) refuses
    /// then, and of those that it lets pass the one with the best score is the only candidate. Default: nothing is learned, and
    /// nothing about wrong answers is promised.
    #[must_use]
    pub fn learn(self, learning: Learning) -> Self {
        Self { learning: Some(learning), ..self }
    }

    /// Who has the last word on what all else lets pass: any Tower service from [`Candidate`] to `bool`, for instance a small
    /// model, within the [budget](crate::CacheLayer::similar_budget). If it fails, panics or takes too long, that is a miss. Default:
    /// nobody.
    ///
    /// It is asked before a request is explored too: what is learned is learned of what it lets pass.
    #[must_use]
    pub fn verifier<V>(self, verifier: V) -> Self
    where
        V: Service<Candidate, Response = bool> + Clone + Send + Sync + 'static,
        V::Future: Send,
        V::Error: Into<BoxError>,
    {
        Self { verifier: Some(Arc::new(verifier)), ..self }
    }
}

/// So much is kept of what texts mean that were asked for lately, each tenant's for itself: else how long it takes would tell
/// whether another has asked the same.
const KNOWN_BYTES: u64 = 16 << 20;

/// A longer text, in bytes, is not looked for in other words: it is verified where others wait, and that takes longer than by
/// its length (`cargo xtask bench cache-quality`: 2 ms for this much, 35 for 64 KiB).
const LONGEST: usize = 8 << 10;

/// The tier as the layer knows it, whatever it is made of.
pub(crate) trait Tier: Send + Sync {
    fn id(&self) -> &str;

    /// What a text means, if it is known without the embedder: that is `None` for one that is too long.
    fn known(&self, tenant: &Tenant, text: &Arc<str>) -> Option<Option<Embedding>>;

    /// What a text means, by the embedder; `None` if it is too long.
    fn embed<'a>(
        &'a self,
        tenant: &'a Tenant,
        text: &'a Arc<str>,
    ) -> BoxFuture<'a, Result<Option<Embedding>, BoxError>>;

    /// Entries whose questions may be the same.
    fn near<'a>(
        &'a self,
        partition: Key,
        embedding: &'a Embedding,
    ) -> BoxFuture<'a, Result<Vec<Near>, StoreError>>;

    /// Whether a kept question is the same, and how far from being refused. Where something is learned, that decides, and this
    /// says only how similar it is.
    fn score(&self, text: &str, embedding: &Embedding, entry: &Entry) -> Result<f32, Refused>;

    fn learning(&self) -> Option<&Learning>;

    fn verifier(&self) -> Option<&dyn Ask<Candidate>>;

    fn feedback(&self) -> &Feedback;

    /// An entry was kept.
    fn kept<'a>(&'a self, entry: &'a Entry) -> BoxFuture<'a, Result<(), StoreError>>;

    /// An entry is not there any more.
    fn gone(&self, partition: Key, key: Key) -> BoxFuture<'_, Result<(), StoreError>>;
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

    fn known(&self, tenant: &Tenant, text: &Arc<str>) -> Option<Option<Embedding>> {
        if text.len() > LONGEST {
            return Some(None);
        }
        self.known.get(&(tenant.clone(), text.clone()))
    }

    fn embed<'a>(
        &'a self,
        tenant: &'a Tenant,
        text: &'a Arc<str>,
    ) -> BoxFuture<'a, Result<Option<Embedding>, BoxError>> {
        Box::pin(async move {
            let mut embedder = self.embedder.clone();
            poll_fn(|cx| embedder.poll_ready(cx)).await.map_err(Into::into)?;
            let embeddings = embedder.call(vec![text.clone()]).await.map_err(Into::into)?;
            let embedding = embeddings.into_iter().next().flatten();
            self.known.insert((tenant.clone(), text.clone()), embedding.clone());
            Ok(embedding)
        })
    }

    fn near<'a>(
        &'a self,
        partition: Key,
        embedding: &'a Embedding,
    ) -> BoxFuture<'a, Result<Vec<Near>, StoreError>> {
        Box::pin(async move {
            let mut near = self.index.search(partition, embedding.vector(), self.most).await?;
            // Each is looked up and verified while somebody waits.
            near.truncate(self.most);
            Ok(near)
        })
    }

    fn score(&self, text: &str, embedding: &Embedding, entry: &Entry) -> Result<f32, Refused> {
        // What the index has found has both.
        let (Some(kept_text), Some(kept)) = (&entry.text, &entry.embedding) else {
            return Err(Refused::by("similarity"));
        };
        let (question, kept) = ((text, embedding), (&**kept_text, kept));
        let score = match self.learning {
            Some(_) => self.verify.score(question, kept)?,
            None => self.verify.check(question, kept)?,
        };
        Ok(score.value)
    }

    fn learning(&self) -> Option<&Learning> {
        self.learning.as_ref()
    }

    fn verifier(&self) -> Option<&dyn Ask<Candidate>> {
        self.verifier.as_deref()
    }

    fn feedback(&self) -> &Feedback {
        &self.feedback
    }

    fn kept<'a>(&'a self, entry: &'a Entry) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.index.insert(entry))
    }

    fn gone(&self, partition: Key, key: Key) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.index.remove(partition, key))
    }
}

impl<E, Ix> fmt::Debug for Similar<E, Ix> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Similar")
            .field("id", &self.id)
            .field("verify", &self.verify)
            .field("learning", &self.learning)
            .finish_non_exhaustive()
    }
}
