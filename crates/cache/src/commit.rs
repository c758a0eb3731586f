use std::{sync::Arc, time::Duration};

use dashpot_core::{Embedding, Tenant};
use dashpot_wire::dialect::Dialect;
use http::{HeaderMap, StatusCode, header};
use tokio::runtime::Handle;

use crate::{
    Entry, Keep, Key, Removal, Store, StoreError, answer,
    call::Elsewhere,
    control::Control,
    flight::{Ended, OnEnd, Recorded},
    key::{Asked, varies},
    layer::Shared,
    learning::Explored,
    now,
    others::Others,
    removals::Since,
    stats::count,
    turn::Slot,
};

/// What takes longer is let go: who asks the same meanwhile hears the answer from the call.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// What is needed to keep the answer to a request.
pub(crate) struct Commit<St> {
    shared: Arc<Shared<St>>,
    runtime: Handle,
    key: Key,
    partition: Key,
    pub(crate) tenant: Tenant,
    dialect: Dialect,
    pub(crate) text: Option<Arc<str>>,
    pub(crate) embedding: Option<Embedding>,
    tags: Vec<Arc<str>>,
    since: Since,
    /// What the answer is to be compared with.
    pub(crate) explored: Option<Explored>,
}

impl<St: Store> Commit<St> {
    pub(crate) fn new(
        shared: Arc<Shared<St>>,
        asked: &Asked,
        tenant: Tenant,
        dialect: Dialect,
        tags: Vec<Arc<str>>,
    ) -> Self {
        let text = asked.text.as_deref().map(Into::into);
        let (key, partition, runtime) = (asked.exact, asked.partition, Handle::current());
        let since = shared.removals.now();
        let (embedding, explored) = (None, None);
        Self { since, shared, runtime, key, partition, tenant, dialect, text, embedding, tags, explored }
    }

    /// Keeps the answer when it has come, beside those who hear it.
    pub(crate) fn on_end(mut self, held: Slot) -> OnEnd {
        Box::new(move |ended, recorded, until_kept| {
            let Some(recorded) = recorded else { return held.ended_without(ended) };
            let runtime = self.runtime.clone();
            runtime.spawn(async move {
                let entry = self.entry(ended, &recorded, self.shared.rules.keep).await;
                self.compare(entry.as_ref(), ended, &recorded).await;
                match entry {
                    Some(entry) => self.put(entry, &held).await,
                    None => held.ended_without(ended),
                }
                drop(until_kept);
            });
        })
    }

    /// Compares an answer with the one that could have been given instead, if it is complete.
    async fn compare(&mut self, entry: Option<&Entry>, ended: Ended, recorded: &Recorded) {
        let Shared { similar, counters, rules, .. } = &*self.shared;
        let learning = similar.as_ref().and_then(|similar| similar.learning());
        let (Some(learning), Some(text), Some(explored)) = (learning, &self.text, self.explored.take())
        else {
            return;
        };
        // One that calls a tool is complete too, though it may not be one to keep, and the kept answer was hardly right.
        let answer = match entry {
            Some(entry) => Some(entry.answer.clone()),
            None => self.entry(ended, recorded, rules.keep.tool_calls()).await.map(|entry| entry.answer),
        };
        if let Some(answer) = answer {
            learning.compare(explored, text.clone(), answer, &self.runtime, counters.clone());
        }
    }

    /// The entry of an answer; `None` if it is not one to keep.
    async fn entry(&self, ended: Ended, Recorded { head, chunks }: &Recorded, keep: Keep) -> Option<Entry> {
        let (rules, is_whole) = (&self.shared.rules, ended == Ended::Whole);
        if !may_keep(head.status, &head.headers) || head.extensions.get::<Elsewhere>().is_some() {
            return None;
        }
        let kept = match kind(&head.headers) {
            b"text/event-stream" => {
                answer::of_stream(self.dialect, chunks, is_whole, keep, rules.max_answer_bytes).await?
            }
            b"application/json" if is_whole => answer::of_whole(self.dialect, chunks, keep)?,
            _ => return None,
        };
        let stale = rules.while_revalidate.max(rules.if_error);
        Some(Entry {
            key: self.key,
            partition: self.partition,
            tenant: self.tenant.clone(),
            text: self.text.clone(),
            embedding: self.embedding.clone(),
            dialect: self.dialect,
            answer: kept.bytes,
            events: kept.events,
            has_usage: kept.has_usage,
            stored: now(),
            fresh_ms: millis(jittered(rules.fresh, self.key)),
            stale_ms: millis(stale),
            tags: self.tags.clone(),
        })
    }

    async fn put(&self, mut entry: Entry, held: &Slot) {
        let Shared { store, counters, similar, removals, keeping, .. } = &*self.shared;
        let Others { writes, index, .. } = &counters.others;
        let Ok(_place) = keeping.try_acquire() else {
            writes.has_failed(&StoreError::new("too many answers wait for it"));
            return;
        };
        if let (Some(similar), Some(text), None) = (similar, &entry.text, &entry.embedding) {
            entry.embedding = self.shared.embed(&**similar, &entry.tenant, text, PATIENCE).await;
        }
        if removals.are_about(&entry, self.since) {
            return;
        }
        let entry = Arc::new(entry);
        let kept = writes.ask(PATIENCE, store.put(entry.clone(), held.lease())).await;
        // Removed while it was on its way: it may be there, too, if the store has not said so.
        if kept != Some(false) && removals.are_about(&entry, self.since) {
            let removal = store.remove(Removal::Entry(entry.tenant.clone(), entry.key));
            writes.ask(PATIENCE, removal).await;
            return;
        }
        if kept != Some(true) {
            return;
        }
        held.kept();
        count(&counters.stored);
        if let Some(similar) = similar {
            index.ask(PATIENCE, similar.kept(&entry)).await;
        }
    }
}

/// Whether an answer with such a head may be one to keep.
pub(crate) fn may_keep(status: StatusCode, headers: &HeaderMap) -> bool {
    let is_plain = !headers.contains_key(header::CONTENT_ENCODING);
    let is_known = matches!(kind(headers), b"text/event-stream" | b"application/json");
    status == StatusCode::OK && is_known && is_plain && !varies(headers) && !Control::of(headers).no_store
}

/// The essence of the content type, if it is written as everybody does.
fn kind(headers: &HeaderMap) -> &[u8] {
    let value = headers.get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    value.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii()
}

/// Up to a tenth less, by the key: those that were stored together do not end together.
fn jittered(time: Duration, key: Key) -> Duration {
    let [high, low, ..] = *key.as_bytes();
    let share = f64::from(u16::from_be_bytes([high, low])) / f64::from(u16::MAX);
    time.saturating_sub((time / 10).mul_f64(share))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shortened_by_up_to_a_tenth_by_the_key() {
        let jittered = |first: u8, time| jittered(time, Key::from([first; 32]));
        for time in [Duration::ZERO, Duration::from_secs(100), Duration::MAX] {
            assert_eq!(jittered(0, time), time);
            assert!(jittered(255, time).abs_diff(time - time / 10) <= time / 1_000_000);
            assert!(jittered(128, time) <= time - time / 20);
        }
    }
}
