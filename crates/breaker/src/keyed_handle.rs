use std::sync::Arc;

use crate::{Handle, Stats, breakers::Breakers, permit::now};

/// Shows the breakers of all keys of a layer. Cheap to clone.
#[derive(Clone, Debug)]
pub struct KeyedHandle(pub(crate) Arc<Breakers>);

impl KeyedHandle {
    /// How many keys have a breaker of their own.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.keyed.as_ref().map_or(0, |keyed| keyed.len())
    }

    /// Whether no key has a breaker of its own.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The breaker of one key, if it has one at this moment. While the handle lives the key keeps it; so an operator's word
    /// lasts as long as the handle, and may be forgotten after that when other keys need the place.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Handle> {
        self.0.keyed.as_ref()?.get(key).map(Handle)
    }

    /// Each key's breaker at this moment, in no order.
    #[must_use]
    pub fn stats(&self) -> Vec<(Arc<str>, Stats)> {
        let all = self.0.keyed.as_ref().map(|keyed| keyed.all()).unwrap_or_default();
        let now = now();
        all.into_iter().map(|(key, one)| (key, one.stats(now))).collect()
    }
}
