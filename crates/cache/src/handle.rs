use std::{fmt, sync::Arc};

use dashpot_core::Tenant;

use crate::{
    Entry, Key, Learning, Removal, Stats, Store, StoreError, commit::PATIENCE, layer::Shared, similar::Tier,
};

/// What the caches of a layer amount to, and its manual controls. Cheap to clone.
pub struct Handle<St> {
    shared: Arc<Shared<St>>,
}

impl<St: Store> Handle<St> {
    pub(crate) fn new(shared: Arc<Shared<St>>) -> Self {
        Self { shared }
    }

    pub(crate) fn similar(&self) -> Option<&Arc<dyn Tier>> {
        self.shared.similar.as_ref()
    }

    /// Tells the index of an entry.
    pub(crate) async fn index(&self, similar: &dyn Tier, entry: &Entry) {
        self.shared.counters.others.index.ask(PATIENCE, similar.kept(entry)).await;
    }

    /// The numbers so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.counters.stats()
    }

    /// How often each rule has refused a similar question: those of [`verify`](crate::verify::Refused::RULES) and, behind them,
    /// `feedback`, `learned` and `verifier`.
    pub fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.shared.counters.refusals()
    }

    /// The [partitions](crate::Entry::partition) of which something was [learned](crate::Learning), and from which score on it
    /// is proven there that the bound holds; `None` where nothing is.
    #[must_use]
    pub fn proven(&self) -> Vec<(Key, Option<f32>)> {
        let learning = self.similar().and_then(|similar| similar.learning());
        learning.map(Learning::proven).unwrap_or_default()
    }

    /// Takes it that an answer was right or wrong for the question that it was given to, by the key in `Cache-Status`. Says
    /// whether this tenant has such an entry; about those of others nothing can be said, and nothing is told.
    ///
    /// Each time that it was wrong halves what there is between the [score](crate::verify::Score) from which on the entry is given to
    /// similar questions, one half at first, and 1; after four times it is given to none. Right takes back one wrong, and no more.
    /// That is beside what is [learned](crate::Learning), and no part of it: who complains is no sample. The same question has
    /// the same answer all the same, until the entry is [removed](Self::remove). Of 65,536 entries it is remembered, for as
    /// long as this layer is there.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn feedback(&self, tenant: &Tenant, key: Key, is_right: bool) -> Result<bool, StoreError> {
        let entry = self.shared.store.find(tenant, key).await?;
        let is_theirs = entry.is_some_and(|entry| entry.tenant == *tenant && entry.key == key);
        if is_theirs && let Some(similar) = self.similar() {
            similar.feedback().tell(key, is_right);
        }
        Ok(is_theirs)
    }

    /// Removes answers. Calls that are under way keep no such answer either, and who asks from now on joins none of them;
    /// those of another process that has the same store are not known here.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn remove(&self, what: Removal) -> Result<(), StoreError> {
        let Shared { store, flights, removals, .. } = &*self.shared;
        // Known before anything is removed: what is put after that is looked at again.
        removals.add(what.clone());
        flights.leave();
        store.remove(what).await
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &St {
        &self.shared.store
    }
}

impl<St> Clone for Handle<St> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<St> fmt::Debug for Handle<St> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("counters", &self.shared.counters).finish_non_exhaustive()
    }
}
