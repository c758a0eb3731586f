use metrics::counter;

use crate::{Handle, Store};

impl<St: Store> Handle<St> {
    /// Brings the recorder of the [`metrics`] crate up to what the caches of this layer amount to now; to be called before it
    /// is read.
    ///
    /// | metric | label | of |
    /// |---|---|---|
    /// | `cache_requests_total` | `answer`: `exact`, `similar`, `stale`, `miss`, `collapsed`, `bypass` | requests |
    /// | `cache_similar_proven_total` | | of those with `similar`, where it was proven that the bound holds |
    /// | `cache_refusals_total` | `rule`, as [`refusals`](Self::refusals) has them | similar questions that were refused |
    /// | `cache_explored_total` | | requests that were explored |
    /// | `cache_awaited_total` | | of those with `miss` and `collapsed`, which another process answered |
    /// | `cache_awaited_in_vain_total` | | calls after another process had been waited for |
    /// | `cache_comparisons_total` | `judged`: `right`, `wrong`, `failed` | comparisons |
    /// | `cache_stored_total` | | answers that were kept |
    /// | `cache_failures_total` | `of`: `store`, `similar`, `verifier` | failures, each of which was a miss |
    /// | `cache_unasked_total` | | times that one of those was left alone, since it had failed again and again |
    ///
    /// No label is a key, of which there is no end. Of two layers that are published to one recorder it shows the greater count.
    pub fn publish(&self) {
        let stats = self.stats();
        for (answer, count) in [
            ("exact", stats.exact),
            ("similar", stats.similar),
            ("stale", stats.stale),
            ("miss", stats.misses),
            ("collapsed", stats.collapsed),
            ("bypass", stats.bypassed),
        ] {
            counter!("cache_requests_total", "answer" => answer).absolute(count);
        }
        for (judged, count) in
            [("right", stats.judged_right), ("wrong", stats.judged_wrong), ("failed", stats.judge_failures)]
        {
            counter!("cache_comparisons_total", "judged" => judged).absolute(count);
        }
        for (of, count) in [
            ("store", stats.store_failures),
            ("similar", stats.similar_failures),
            ("verifier", stats.verifier_failures),
        ] {
            counter!("cache_failures_total", "of" => of).absolute(count);
        }
        for (rule, count) in self.refusals() {
            counter!("cache_refusals_total", "rule" => rule).absolute(count);
        }
        counter!("cache_similar_proven_total").absolute(stats.proven);
        counter!("cache_awaited_total").absolute(stats.awaited);
        counter!("cache_awaited_in_vain_total").absolute(stats.awaited_in_vain);
        counter!("cache_explored_total").absolute(stats.explored);
        counter!("cache_stored_total").absolute(stats.stored);
        counter!("cache_unasked_total").absolute(stats.unasked);
    }
}
