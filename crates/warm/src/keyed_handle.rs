use std::sync::Arc;

use dashpot_core::Keyed;

use crate::{Handle, Stats, upstream::Upstream, upstreams::Upstreams};

/// Shows the upstreams of all keys of a layer. Cheap to clone.
#[derive(Clone, Debug)]
pub struct KeyedHandle(pub(crate) Arc<Upstreams>);

impl KeyedHandle {
    /// How many keys have an upstream.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.keyed.as_ref().map_or(0, |keyed| keyed.len())
    }

    /// Whether no key has one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The upstream of one key, if it has one at this moment; that of requests without a key has the key "". While the
    /// handle lives the key keeps it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Handle> {
        let keyed = self.0.keyed.as_ref()?;
        let upstream = if key.is_empty() { self.0.default.clone() } else { keyed.get(key)? };
        Some(Handle { upstream, _alive: self.0.clone() })
    }

    /// The same, made if there is none; `None` if the layer has no keys or no room for it, or it is too long for one.
    #[must_use]
    pub fn get_or_make(&self, key: &str) -> Option<Handle> {
        if key.is_empty() || key.len() > Keyed::<Upstream>::MAX_KEY_LEN {
            return self.get(key);
        }
        let upstream = self.0.of(self.0.keyed.as_ref()?, key)?;
        Some(Handle { upstream, _alive: self.0.clone() })
    }

    /// Each key's upstream at this moment, in no order.
    #[must_use]
    pub fn stats(&self) -> Vec<(Arc<str>, Stats)> {
        let all = self.0.keyed.as_ref().map(|keyed| keyed.all()).unwrap_or_default();
        all.into_iter().map(|(key, upstream)| (key, upstream.stats())).collect()
    }
}
