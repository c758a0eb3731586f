use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::{find::Likeness, others::Others, verify::Refused};

/// How requests were answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// With an answer to the same request.
    pub exact: u64,
    /// With an answer to a similar one.
    pub similar: u64,
    /// Of those, how many where it was proven that the [learned](crate::Learning) bound holds.
    pub proven: u64,
    /// With an answer that was stale: while another was fetched, or since the upstream failed.
    pub stale: u64,
    /// By a call to the upstream.
    pub misses: u64,
    /// Of those, how many to see whether a kept answer would have been right.
    pub explored: u64,
    /// By the call that another had begun.
    pub collapsed: u64,
    /// Of misses and collapsed, how many with an answer that [another process](crate::CacheLayer::leases) was about to keep.
    pub awaited: u64,
    /// Calls that were made after all when another process had been waited for: its call came to nothing, or took too long.
    pub awaited_in_vain: u64,
    /// By the upstream, since they were not to be kept: by their own wish, or by the rules.
    pub bypassed: u64,
    /// Answers that were kept.
    pub stored: u64,
    /// Times that the store failed, or was too slow.
    pub store_failures: u64,
    /// Similar questions that were not the same to what verifies; by which rule, [`refusals`](crate::Handle::refusals) tells.
    pub refused: u64,
    /// Times that embedder and index failed, were too slow, or panicked.
    pub similar_failures: u64,
    /// Times that the [verifier](crate::Similar::verifier) failed, was too slow, or panicked.
    pub verifier_failures: u64,
    /// Kept answers that would have been right, in the judge's eyes.
    pub judged_right: u64,
    /// Kept answers that would have been wrong.
    pub judged_wrong: u64,
    /// Times that the judge failed, was too slow, panicked, had too much to do, or was given no text to compare.
    pub judge_failures: u64,
    /// Times that store, embedder, index, verifier or judge was not asked, since it had failed five times in a row: it is left alone
    /// for a second then, and for up to half a minute if it goes on to fail.
    pub unasked: u64,
}

/// The names of what refuses behind the rules that texts are verified by.
pub(crate) const FEEDBACK: &str = "feedback";
pub(crate) const LEARNED: &str = "learned";
pub(crate) const VERIFIER: &str = "verifier";

const RULES: usize = Refused::RULES.len();
const MORE: [&str; 3] = [FEEDBACK, LEARNED, VERIFIER];

// Relaxed: counts for people; nothing is published through them.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) exact: AtomicU64,
    pub(crate) similar: AtomicU64,
    pub(crate) proven: AtomicU64,
    pub(crate) stale: AtomicU64,
    pub(crate) misses: AtomicU64,
    pub(crate) explored: AtomicU64,
    pub(crate) collapsed: AtomicU64,
    pub(crate) awaited: AtomicU64,
    pub(crate) awaited_in_vain: AtomicU64,
    pub(crate) bypassed: AtomicU64,
    pub(crate) stored: AtomicU64,
    pub(crate) judged_right: AtomicU64,
    pub(crate) judged_wrong: AtomicU64,
    refused: [AtomicU64; RULES + MORE.len()],
    pub(crate) others: Others,
    /// Times that the search for similar questions panicked in here.
    pub(crate) panics: AtomicU64,
}

pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

impl Counters {
    /// An answer was given to a similar question.
    pub(crate) fn similar(&self, likeness: Likeness) {
        count(&self.similar);
        if likeness.is_proven == Some(true) {
            count(&self.proven);
        }
    }

    /// A similar question was refused by this rule.
    pub(crate) fn refused(&self, rule: &'static str) {
        tracing::debug!(rule, "a similar question is not the same");
        if let Some(at) = names().position(|name| name == rule) {
            count(&self.refused[at]);
        }
    }

    pub(crate) fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        names().zip(&self.refused).map(|(name, counter)| (name, counter.load(Relaxed)))
    }

    pub(crate) fn stats(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        let Others { reads, writes, leases, held, embedder, index, verifier, judge } = &self.others;
        Stats {
            exact: read(&self.exact),
            similar: read(&self.similar),
            proven: read(&self.proven),
            stale: read(&self.stale),
            misses: read(&self.misses),
            explored: read(&self.explored),
            collapsed: read(&self.collapsed),
            awaited: read(&self.awaited),
            awaited_in_vain: read(&self.awaited_in_vain),
            bypassed: read(&self.bypassed),
            stored: read(&self.stored),
            store_failures: reads.failures() + writes.failures() + leases.failures() + held.failures(),
            refused: self.refused.iter().map(read).sum(),
            similar_failures: embedder.failures() + index.failures() + read(&self.panics),
            verifier_failures: verifier.failures(),
            judged_right: read(&self.judged_right),
            judged_wrong: read(&self.judged_wrong),
            judge_failures: judge.failures(),
            unasked: self.others.unasked(),
        }
    }
}

fn names() -> impl Iterator<Item = &'static str> {
    Refused::RULES.into_iter().chain(MORE)
}
