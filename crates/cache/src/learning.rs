mod partitions;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{runtime::Handle, sync::Semaphore, task::JoinSet};
use tower_service::Service;

use self::partitions::Partitions;
use crate::{
    Entry, Key, answer,
    ask::Ask,
    flight::BoxError,
    judge::Comparison,
    stats::{Counters, count},
    verify::{Decision, Learned},
};

/// Learns which similar questions may be answered from the cache, from comparisons in the background.
///
/// Of the requests that a kept answer was found for a share is [explored](Learned::explore): the upstream answers, and when its
/// answer has come whole, a judge says beside it whether the kept one would have been right. What comes of it decides from then
/// on, for each partition and for entries in it, as [`Learned`] says, which also says what that promises, and that
/// **without comparisons it promises nothing**.
///
/// A request waits for no comparison, and none makes it fail; if the upstream fails where it was to be explored, the kept answer
/// is given away that would have been without. One that joins the call of another is not compared. Comparisons end when the
/// layer, its services and handles are gone. What is learned is in this process, and gone with it: at most 16 MiB, or four times
/// what one full partition takes if that is more; beyond, the partitions that are asked for least begin anew.
///
/// A judge is any Tower service from [`Comparison`] to `bool`; those of [`judge`](crate::judge) ask nobody else. One that fails, panics or
/// takes too long has said nothing. For the promise that must not depend on who is right: a judge that fails wherever the kept
/// answer is wrong makes a proof of nothing. The same holds for answers that never come whole, or are too long to be kept: they
/// are not compared.
pub struct Learning {
    partitions: Partitions,
    judge: Arc<dyn Ask<Comparison>>,
    at_once: Arc<Semaphore>,
    limit: Duration,
    draw: Arc<dyn Fn() -> f64 + Send + Sync>,
    /// Aborted when this is dropped.
    tasks: Mutex<JoinSet<()>>,
}

/// A kept answer that was not given away, to see whether it would have been right.
#[derive(Debug)]
pub(crate) struct Explored {
    pub(crate) entry: Arc<Entry>,
    pub(crate) score: f32,
}

impl Learning {
    /// Learns as `learned` does, which every partition begins with, from what `judge` says.
    #[must_use]
    pub fn new<J>(learned: Learned, judge: J) -> Self
    where
        J: Service<Comparison, Response = bool> + Clone + Send + Sync + 'static,
        J::Future: Send,
        J::Error: Into<BoxError>,
    {
        Self {
            partitions: Partitions::new(learned),
            judge: Arc::new(judge),
            at_once: Arc::new(Semaphore::new(4)),
            limit: Duration::from_secs(30),
            draw: Arc::new(fastrand::f64),
            tasks: Mutex::default(),
        }
    }

    /// How many comparisons are made at the same time; what more there is to compare is let go. Default: 4.
    ///
    /// # Panics
    /// If it is none, or more than a semaphore counts.
    #[must_use]
    pub fn at_once(self, comparisons: usize) -> Self {
        assert!(comparisons > 0, "nothing is learned without a comparison");
        Self { at_once: Arc::new(Semaphore::new(comparisons)), ..self }
    }

    /// How long the judge may take. Default: 30 seconds.
    #[must_use]
    pub fn time_limit(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// Where the random numbers come from that decide what is explored, from 0 to 1 without 1. Default: [`fastrand::f64`].
    #[must_use]
    pub fn draw(self, draw: impl Fn() -> f64 + Send + Sync + 'static) -> Self {
        Self { draw: Arc::new(draw), ..self }
    }

    /// What to do with a request that this entry may answer; with `may_explore`, maybe to explore it.
    pub(crate) fn decide(&self, entry: &Entry, score: f32, may_explore: bool) -> Decision {
        let draw = if may_explore { (self.draw)() } else { 1.0 };
        self.partitions.decide(entry.partition, |learned| learned.decide(entry.key, score, draw))
    }

    /// The partitions that something is known of, and from which score on it is proven.
    pub(crate) fn proven(&self) -> Vec<(Key, Option<f32>)> {
        self.partitions.proven()
    }

    /// Compares in the background what was kept with what the upstream has said.
    pub(crate) fn compare(
        &self,
        explored: Explored,
        question: Arc<str>,
        fresh: impl AsRef<[u8]> + Send + 'static,
        runtime: &Handle,
        counters: Arc<Counters>,
    ) {
        let Ok(permit) = self.at_once.clone().try_acquire_owned() else {
            counters.others.judge.has_failed(&*BoxError::from("it has too much to do"));
            return;
        };
        // Nothing of the layer: it would keep alive what is to end this.
        let (partitions, judge, limit) = (self.partitions.clone(), self.judge.clone(), self.limit);
        let comparison = async move {
            let Explored { entry, score } = explored;
            let says = match comparison(&entry, question, fresh.as_ref()) {
                Some(comparison) => counters.others.judge.ask(limit, judge.ask(comparison)).await,
                None => {
                    counters.others.judge.has_failed(&*BoxError::from("there is no text to compare"));
                    None
                }
            };
            match says {
                Some(true) => count(&counters.judged_right),
                Some(false) => count(&counters.judged_wrong),
                None => {}
            }
            if let Some(is_right) = says {
                partitions.tell(entry.partition, |learned| learned.tell(entry.key, score, is_right));
            }
            drop(permit);
        };
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that are over.
        while tasks.try_join_next().is_some() {}
        tasks.spawn_on(comparison, runtime);
    }
}

/// `None` if one of the two says nothing that can be compared.
fn comparison(kept: &Entry, question: Arc<str>, fresh: &[u8]) -> Option<Comparison> {
    Some(Comparison {
        question,
        kept_question: kept.text.clone()?,
        kept_answer: answer::text(kept.dialect, &kept.answer)?.into(),
        fresh_answer: answer::text(kept.dialect, fresh)?.into(),
    })
}

impl fmt::Debug for Learning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Learning")
            .field("partitions", &self.partitions)
            .field("at_once", &self.at_once)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use dashpot_core::Tenant;
    use dashpot_wire::dialect::Dialect;

    use super::*;
    use crate::judge::SameText;

    fn entry() -> Entry {
        let answer =
            r#"{"choices":[{"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}]}"#;
        Entry {
            key: Key::from([1; 32]),
            partition: Key::from([2; 32]),
            tenant: Tenant::new("acme").unwrap(),
            text: Some("Why?".into()),
            embedding: None,
            dialect: Dialect::OpenAiChat,
            answer: Bytes::from_static(answer.as_bytes()),
            events: false,
            has_usage: true,
            stored: crate::now(),
            fresh_ms: 1,
            stale_ms: 0,
            tags: Vec::new(),
        }
    }

    #[tokio::test]
    async fn comparisons_that_are_over_take_no_room() {
        let learning = Learning::new(Learned::new(0.03), SameText);
        let (entry, counters) = (Arc::new(entry()), Arc::new(Counters::default()));
        for _ in 0..100 {
            let explored = Explored { entry: entry.clone(), score: 0.9 };
            let (question, fresh) = ("Why not?".into(), entry.answer.clone());
            learning.compare(explored, question, fresh, &Handle::current(), counters.clone());
            while learning.at_once.available_permits() < 4 {
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(counters.stats().judged_right, 100);
        assert!(learning.tasks.lock().unwrap().len() <= 4);
    }
}
