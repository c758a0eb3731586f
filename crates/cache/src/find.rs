//! The semantic tier's way from a question to a kept answer.

use std::{sync::Arc, time::Duration};

use dashpot_core::{Embedding, Tenant};
use tokio::time::{Instant, timeout};

use crate::{
    Entry, Store, StoreError, answer,
    ask::{self, caught},
    commit::Commit,
    control::Control,
    judge::Candidate,
    key::Asked,
    layer::Shared,
    learning::{Explored, Learning},
    now,
    similar::Tier,
    stats::count,
    stats::{FEEDBACK, LEARNED, VERIFIER},
    verify::Decision,
};

/// What was found for a question in other words.
#[derive(Debug)]
pub(crate) enum Found {
    /// The answer to give.
    Serve(Arc<Entry>, Likeness),
    /// The upstream is to answer, and what it says is to be compared. As what it would be given otherwise, if it would.
    Explore(Explored, Option<Likeness>),
}

/// How far a question is from being refused.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Likeness {
    pub(crate) score: f32,
    /// Whether outcomes have shown that the bound holds from there on; `None` where nothing is learned.
    pub(crate) is_proven: Option<bool>,
}

/// What one request looks with.
struct Search<'a> {
    asked: &'a Asked,
    text: Arc<str>,
    control: Control,
    start: Instant,
}

impl<St: Store> Shared<St> {
    /// An entry of the same partition whose question is the same in other words; what the question means is kept for the
    /// entry that may become of it.
    pub(crate) async fn find_similar(
        &self,
        asked: &Asked,
        commit: &mut Commit<St>,
        control: Control,
    ) -> Option<Found> {
        let (similar, text) = (self.similar.as_ref()?, commit.text.clone()?);
        let search = Search { asked, text, control, start: Instant::now() };
        let budget = self.rules.similar_budget;
        match timeout(budget, caught(self.search(&**similar, &search, commit))).await {
            Ok(Some(found)) => return found,
            ended => {
                count(&self.counters.similar_failures);
                if let Some(before) = self.counters.quiet.search.speaks(now()) {
                    match ended {
                        Ok(_) => tracing::warn!(before, "what looks for similar questions panicked"),
                        Err(_) => tracing::warn!(before, ?budget, "similar questions were not found in time"),
                    }
                }
            }
        }
        None
    }

    /// What a text means, if the embedder can tell.
    pub(crate) async fn embed(
        &self,
        similar: &dyn Tier,
        tenant: &Tenant,
        text: &Arc<str>,
    ) -> Option<Embedding> {
        match similar.embed(tenant, text).await {
            Ok(embedding) => embedding,
            Err(error) => {
                count(&self.counters.similar_failures);
                if let Some(before) = self.counters.quiet.embedder.speaks(now()) {
                    tracing::warn!(%error, before, "the cache's embedder failed");
                }
                None
            }
        }
    }

    /// What came of asking the index.
    pub(crate) fn indexed<T: Default>(&self, done: Result<T, StoreError>) -> T {
        done.unwrap_or_else(|error| {
            count(&self.counters.similar_failures);
            if let Some(before) = self.counters.quiet.index.speaks(now()) {
                tracing::warn!(cause = %error.cause(), before, "the cache's index failed");
            }
            T::default()
        })
    }

    async fn search(
        &self,
        similar: &dyn Tier,
        search: &Search<'_>,
        commit: &mut Commit<St>,
    ) -> Option<Found> {
        let embedding = self.embed(similar, &commit.tenant, &search.text).await?;
        let embedding = &*commit.embedding.insert(embedding);
        let partition = search.asked.partition;
        let mut best: Option<(Arc<Entry>, f32)> = None;
        for key in self.indexed(similar.near(partition, embedding).await) {
            let entry =
                self.store.get(key).await.inspect_err(|_| count(&self.counters.store_failures)).ok()?;
            let Some(entry) = entry else {
                similar.gone(partition, key).await;
                continue;
            };
            let is_ours = entry.tenant == commit.tenant && entry.partition == partition;
            let (age, fresh) = entry.times(now());
            if !is_ours || search.control.accepts(age, fresh, Duration::ZERO) != Some(false) {
                continue;
            }
            let score = match similar.score(&search.text, embedding, &entry) {
                Ok(score) => score,
                Err(refused) => {
                    self.counters.refused(refused.rule);
                    continue;
                }
            };
            if similar.feedback().refuses(entry.key, score) {
                self.counters.refused(FEEDBACK);
            } else if similar.learning().is_some() {
                if best.as_ref().is_none_or(|(_, than)| score > *than) {
                    best = Some((entry, score));
                }
            } else if self.is_confirmed(similar, search, &entry).await? {
                return Some(Found::Serve(entry, Likeness { score, is_proven: None }));
            }
        }
        let ((entry, score), learning) = (best?, similar.learning()?);
        self.learned(similar, learning, search, entry, score).await
    }

    /// What was learned about the one candidate there is. It was chosen without a look at that: else what is explored would be
    /// no sample of what is served.
    async fn learned(
        &self,
        similar: &dyn Tier,
        learning: &Learning,
        search: &Search<'_>,
        entry: Arc<Entry>,
        score: f32,
    ) -> Option<Found> {
        // The same question, whose answer the store had too late: that teaches nothing. And who wants no call makes none.
        let may_explore = !search.control.only_if_cached && entry.key != search.asked.exact;
        let decision = learning.decide(&entry, score, may_explore);
        if decision == Decision::Refuse {
            self.counters.refused(LEARNED);
            return None;
        }
        if !self.is_confirmed(similar, search, &entry).await? {
            return None;
        }
        let likeness = |decision| match decision {
            Decision::Serve { is_proven } => Some(Likeness { score, is_proven: Some(is_proven) }),
            Decision::Explore | Decision::Refuse => None,
        };
        Some(match likeness(decision) {
            Some(likeness) => Found::Serve(entry, likeness),
            None => {
                let otherwise = likeness(learning.decide(&entry, score, false));
                Found::Explore(Explored { entry, score }, otherwise)
            }
        })
    }

    /// Whether the verifier, if there is one, confirms a candidate; `None` if it does not say.
    async fn is_confirmed(&self, similar: &dyn Tier, search: &Search<'_>, entry: &Entry) -> Option<bool> {
        let Some(verifier) = similar.verifier() else { return Some(true) };
        let confirmed = match (&entry.text, answer::text(entry.dialect, &entry.answer)) {
            (Some(kept_question), Some(kept_answer)) => {
                let candidate = Candidate {
                    question: search.text.clone(),
                    kept_question: kept_question.clone(),
                    kept_answer: kept_answer.into(),
                };
                // It ends when the search does, but is counted by itself.
                let spent = Instant::now().saturating_duration_since(search.start);
                let left = self.rules.similar_budget.saturating_sub(spent);
                ask::answer(
                    verifier,
                    candidate,
                    left,
                    ("the cache's verifier", &self.counters.quiet.verifier),
                )
                .await
            }
            _ => None,
        };
        match confirmed {
            None => count(&self.counters.verifier_failures),
            Some(false) => self.counters.refused(VERIFIER),
            Some(true) => {}
        }
        confirmed
    }
}
