use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::Tenant;

/// Values by key, as many as fit: what a layer keeps for each upstream, model or tenant.
///
/// Keys are compared as they are. For a new key makes room whichever was used longest ago of those that nobody holds; one
/// that somebody holds never goes, so there are never two values for one key.
///
/// One lock, for arithmetic only: a look-up takes about as long as it takes to hash the key.
pub struct Keyed<T> {
    capacity: usize,
    recent: Mutex<Recent<T>>,
}

/// In a ring, from the one that was used longest ago to the newest.
struct Recent<T> {
    index: HashMap<Arc<str>, usize>,
    ring: Vec<Node<T>>,
    newest: usize,
}

struct Node<T> {
    key: Arc<str>,
    value: Arc<T>,
    newer: usize,
    older: usize,
}

impl<T> Keyed<T> {
    /// The longest key, in bytes: as long as the name of a tenant may be. A layer takes a longer one for none, so that keys
    /// take little room whoever chooses them.
    pub const MAX_KEY_LEN: usize = Tenant::MAX_LEN;

    /// Room for so many keys.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { capacity, recent: Mutex::default() }
    }

    /// The value of `key`, made if there is none; `None` if there is no room for it since all others are held, by
    /// whatever has a clone of their `Arc`.
    pub fn get_or_make(&self, key: &str, make: impl FnOnce() -> Arc<T>) -> Option<Arc<T>> {
        let mut recent = self.lock();
        if let Some(value) = recent.touch(key) {
            return Some(value);
        }
        if !recent.make_room(self.capacity) {
            return None;
        }
        drop(recent);
        // Without the lock: this runs the caller's code. Meanwhile somebody else may do the same.
        let (key, made) = (Arc::from(key), make());
        let mut recent = self.lock();
        if let Some(value) = recent.touch(&key) {
            return Some(value);
        }
        if !recent.make_room(self.capacity) {
            return None;
        }
        let replaced = recent.insert(key, made.clone(), self.capacity);
        drop(recent);
        drop(replaced);
        Some(made)
    }

    /// The value of `key`, if there is one.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Arc<T>> {
        let recent = self.lock();
        recent.index.get(key).map(|&at| recent.ring[at].value.clone())
    }

    /// All keys and values at this moment, in no order.
    #[must_use]
    pub fn all(&self) -> Vec<(Arc<str>, Arc<T>)> {
        self.lock().ring.iter().map(|node| (node.key.clone(), node.value.clone())).collect()
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().ring.len()
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets the keys whose values `keep` does not want and nobody holds. Looks at all of them.
    pub fn retain(&self, keep: impl Fn(&T) -> bool) {
        let mut recent = self.lock();
        let (mut old, capacity) = (std::mem::take(&mut *recent), self.capacity);
        let mut gone = Vec::new();
        let mut at = if old.ring.is_empty() { 0 } else { old.oldest() };
        let mut nodes: Vec<_> = std::mem::take(&mut old.ring).into_iter().map(Some).collect();
        while let Some(node) = nodes.get_mut(at).and_then(Option::take) {
            at = node.newer;
            if Arc::strong_count(&node.value) > 1 || keep(&node.value) {
                recent.insert(node.key, node.value, capacity);
            } else {
                gone.push(node);
            }
        }
        drop(recent);
        drop(gone);
    }

    fn lock(&self) -> MutexGuard<'_, Recent<T>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self { index: HashMap::new(), ring: Vec::new(), newest: 0 }
    }
}

impl<T> Recent<T> {
    fn touch(&mut self, key: &str) -> Option<Arc<T>> {
        let at = *self.index.get(key)?;
        if at != self.newest {
            let Node { newer, older, .. } = self.ring[at];
            self.ring[older].newer = newer;
            self.ring[newer].older = older;
            self.link(at);
        }
        Some(self.ring[at].value.clone())
    }

    /// Turns the ring until the oldest can go; those in use count as used just now.
    fn make_room(&mut self, capacity: usize) -> bool {
        if self.ring.len() < capacity {
            return true;
        }
        for _ in 0..self.ring.len() {
            // Whoever uses a value holds it, and clones are made under the lock only: one that nobody else holds is not in
            // use, and will not be.
            if Arc::strong_count(&self.ring[self.oldest()].value) == 1 {
                return true;
            }
            self.newest = self.oldest();
        }
        false
    }

    /// In the place of the oldest, if there is no other: what was there is handed out, to be dropped without the lock.
    fn insert(&mut self, key: Arc<str>, value: Arc<T>, capacity: usize) -> Option<Node<T>> {
        let mut node = Node { key: key.clone(), value, newer: 0, older: 0 };
        if self.ring.len() < capacity {
            let at = self.ring.len();
            self.ring.push(node);
            self.index.insert(key, at);
            self.link(at);
            return None;
        }
        let at = self.oldest();
        self.index.remove(&self.ring[at].key);
        self.index.insert(key, at);
        self.newest = at;
        (node.newer, node.older) = (self.ring[at].newer, self.ring[at].older);
        Some(std::mem::replace(&mut self.ring[at], node))
    }

    /// Makes one the newest that is in no place yet. The first one is linked to itself.
    fn link(&mut self, at: usize) {
        let (newest, oldest) = (self.newest, self.oldest());
        (self.ring[at].older, self.ring[at].newer) = (newest, oldest);
        self.ring[newest].newer = at;
        self.ring[oldest].older = at;
        self.newest = at;
    }

    fn oldest(&self) -> usize {
        self.ring[self.newest].newer
    }
}

/// Without the keys, which may be tenants' names.
impl<T> fmt::Debug for Keyed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value() -> Arc<()> {
        Arc::new(())
    }

    fn keys(keyed: &Keyed<()>) -> Vec<String> {
        let mut keys: Vec<_> = keyed.all().into_iter().map(|(key, _)| key.to_string()).collect();
        keys.sort();
        keys
    }

    #[test]
    fn the_one_used_longest_ago_makes_room() {
        let keyed = Keyed::new(3);
        for key in ["a", "b", "c", "a", "d"] {
            assert!(keyed.get_or_make(key, value).is_some());
        }
        assert_eq!(keys(&keyed), ["a", "c", "d"]);
        for key in ["c", "e", "f"] {
            assert!(keyed.get_or_make(key, value).is_some());
        }
        assert_eq!(keys(&keyed), ["c", "e", "f"]);
    }

    #[test]
    fn those_that_are_not_kept_go_and_the_others_keep_their_order() {
        let keyed = Keyed::new(4);
        let made = |n: u32| keyed.get_or_make(&n.to_string(), || Arc::new(n)).unwrap();
        let held = made(1);
        let _ = [2, 3, 4, 2].map(made);
        keyed.retain(|n| n % 2 == 0);
        assert_eq!(keyed.len(), 3);
        drop(held);
        let _ = [5, 6].map(made);
        let mut keys: Vec<_> = keyed.all().into_iter().map(|(_, n)| *n).collect();
        keys.sort_unstable();
        assert_eq!(keys, [2, 4, 5, 6], "1 was the oldest");
        keyed.retain(|_| false);
        assert!(keyed.is_empty());
        assert_eq!(*made(7), 7);
    }

    #[test]
    fn one_in_use_stays_and_if_all_are_there_is_none_for_another() {
        let keyed = Keyed::new(2);
        let a = keyed.get_or_make("a", value).unwrap();
        for key in ["b", "c", "d"] {
            assert!(keyed.get_or_make(key, value).is_some());
        }
        assert_eq!(keys(&keyed), ["a", "d"]);
        let d = keyed.get_or_make("d", value).unwrap();
        assert!(keyed.get_or_make("e", || panic!("none is made in vain")).is_none());
        assert!(Arc::ptr_eq(&a, &keyed.get_or_make("a", value).unwrap()));
        drop(d);
        assert!(keyed.get_or_make("e", value).is_some());
        assert_eq!(keys(&keyed), ["a", "e"]);
    }

    proptest::proptest! {
        #[test]
        fn it_holds_what_a_plain_list_would(
            capacity in 1_usize..6,
            steps in proptest::collection::vec((0_u8..8, 0_u8..3), 0..200),
        ) {
            let keyed = Keyed::new(capacity);
            // From the oldest to the newest, with who is in use.
            let mut list: Vec<(String, Vec<Arc<()>>)> = Vec::new();
            for (key, what) in steps {
                let key = key.to_string();
                if what == 0 {
                    if let Some((_, held)) = list.iter_mut().find(|(other, _)| *other == key) {
                        held.pop();
                    }
                    continue;
                }
                let value = keyed.get_or_make(&key, value);
                let known = list.iter().position(|(other, _)| *other == key);
                if let Some(at) = known {
                    let entry = list.remove(at);
                    list.push(entry);
                } else {
                    if list.len() == capacity {
                        let Some(idle) = list.iter().position(|(_, held)| held.is_empty()) else {
                            proptest::prop_assert!(value.is_none());
                            continue;
                        };
                        // Those in use that were passed over count as just used.
                        list.rotate_left(idle);
                        list.remove(0);
                    }
                    list.push((key, Vec::new()));
                }
                let (_, held) = list.last_mut().unwrap();
                let value = value.unwrap();
                proptest::prop_assert!(held.iter().all(|other| Arc::ptr_eq(other, &value)));
                if what == 2 {
                    held.push(value);
                }
                let mut expected: Vec<_> = list.iter().map(|(key, _)| key.clone()).collect();
                expected.sort();
                proptest::prop_assert_eq!(keys(&keyed), expected);
            }
        }
    }
}
