//! The semantic tier's way from a question to a kept answer.

use std::{sync::Arc, time::Duration};

use dashpot_core::{Embedding, Tenant};
use tokio::time::Instant;

use crate::{
    Entry, Key, Near, Store, answer,
    ask::caught,
    commit::Commit,
    control::Control,
    judge::Candidate,
    key::Asked,
    layer::Shared,
    learning::{Explored, Learning},
    now,
    others::Others,
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
    end: Instant,
}

impl Search<'_> {
    fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }
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
        let end = Instant::now() + self.rules.similar_budget;
        let search = Search { asked, text, control, end };
        caught(self.search(&**similar, &search, commit)).await.unwrap_or_else(|| {
            count(&self.counters.panics);
            None
        })
    }

    /// What a text means, if it is known or the embedder can tell.
    pub(crate) async fn embed(
        &self,
        similar: &dyn Tier,
        tenant: &Tenant,
        text: &Arc<str>,
        within: Duration,
    ) -> Option<Embedding> {
        match similar.known(tenant, text) {
            Some(known) => known,
            None => self.counters.others.embedder.ask(within, similar.embed(tenant, text)).await?,
        }
    }

    async fn search(
        &self,
        similar: &dyn Tier,
        search: &Search<'_>,
        commit: &mut Commit<St>,
    ) -> Option<Found> {
        let embedding = self.embed(similar, &commit.tenant, &search.text, search.left()).await?;
        let embedding = &*commit.embedding.insert(embedding);
        let partition = search.asked.partition;
        let mut best: Option<(Arc<Entry>, f32)> = None;
        let Others { reads, index, .. } = &self.counters.others;
        let mut near = index.ask(search.left(), similar.near(partition, embedding)).await?;
        // What came without its entry is asked for at once.
        let missing: Vec<Key> =
            near.iter().filter(|near| near.entry.is_none()).map(|near| near.key).collect();
        if !missing.is_empty() {
            let found = reads.ask(search.left(), self.store.get_all(partition, &missing)).await?;
            let waiting = near.iter_mut().filter(|near| near.entry.is_none());
            waiting.zip(found).for_each(|(near, found)| near.entry = found);
        }
        for Near { key, entry } in near {
            let Some(entry) = entry else {
                // It is looked up again if this fails, and found to be gone again.
                index.ask(search.left(), similar.gone(partition, key)).await;
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
                self.counters.others.verifier.ask(search.left(), verifier.ask(candidate)).await
            }
            _ => None,
        };
        if confirmed == Some(false) {
            self.counters.refused(VERIFIER);
        }
        confirmed
    }
}
