use std::sync::Arc;

use dashpot_core::Keyed;

use crate::{Handle, Stats, limiter::Limiter, limits::Limits, permit::now, policy::Snapshot};

/// Shows the limits of all keys of a layer. Cheap to clone.
#[derive(Clone, Debug)]
pub struct KeyedHandle(Arc<Limits>);

impl KeyedHandle {
    pub(crate) fn new(limits: Arc<Limits>) -> Self {
        Self(limits)
    }

    /// How many keys have a limit of their own.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.keyed.as_ref().map_or(0, |keyed| keyed.len())
    }

    /// Whether no key has a limit of its own.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The limit of one key, if it has one at this moment.
    ///
    /// While the handle lives the key keeps its limit, as if something were in flight.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Handle> {
        self.0.keyed.as_ref()?.get(key).map(Handle::new)
    }

    /// Goes on, for one key, from what another process has learned about the same upstream. Without room for the key, and in
    /// a layer without keys, nothing happens.
    pub fn restore(&self, key: &str, snapshot: &Snapshot) {
        let limiter = self.0.keyed.as_ref().and_then(|keyed| {
            let key = Some(key).filter(|key| key.len() <= Keyed::<Limiter>::MAX_KEY_LEN)?;
            keyed.get_or_make(key, || self.0.rules.limiter(now()))
        });
        if let Some(limiter) = limiter {
            Handle::new(limiter).restore(snapshot);
        }
    }

    /// Each key's limit at this moment, in no order.
    #[must_use]
    pub fn stats(&self) -> Vec<(Arc<str>, Stats)> {
        let all = self.0.keyed.as_ref().map(|keyed| keyed.all()).unwrap_or_default();
        let now = now();
        all.into_iter().map(|(key, limiter)| (key, limiter.stats(now))).collect()
    }
}
