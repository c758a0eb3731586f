use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::limiter::Limiter;

/// Limiters by key, as many as fit.
///
/// One lock, for arithmetic only: a look-up takes about as long as it takes to hash the key.
pub(crate) struct Keyed {
    capacity: usize,
    recent: Mutex<Recent>,
}

/// In a ring, from the one that was used longest ago to the newest.
#[derive(Default)]
struct Recent {
    index: HashMap<Arc<str>, usize>,
    ring: Vec<Node>,
    newest: usize,
}

struct Node {
    key: Arc<str>,
    limiter: Arc<Limiter>,
    newer: usize,
    older: usize,
}

impl Keyed {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, recent: Mutex::default() }
    }

    /// The limiter of `key`; `None` if there is none, and no room for it since all others are in use.
    pub(crate) fn limiter(&self, key: &str, make: impl FnOnce() -> Arc<Limiter>) -> Option<Arc<Limiter>> {
        let mut recent = self.lock();
        if let Some(limiter) = recent.touch(key) {
            return Some(limiter);
        }
        if !recent.make_room(self.capacity) {
            return None;
        }
        drop(recent);
        // Without the lock: this runs a policy's own code. Meanwhile somebody else may do the same.
        let (key, made) = (Arc::from(key), make());
        let mut recent = self.lock();
        if let Some(limiter) = recent.touch(&key) {
            return Some(limiter);
        }
        if !recent.make_room(self.capacity) {
            return None;
        }
        let replaced = recent.insert(key, made.clone(), self.capacity);
        drop(recent);
        drop(replaced);
        Some(made)
    }

    pub(crate) fn find(&self, key: &str) -> Option<Arc<Limiter>> {
        let recent = self.lock();
        recent.index.get(key).map(|&at| recent.ring[at].limiter.clone())
    }

    pub(crate) fn all(&self) -> Vec<(Arc<str>, Arc<Limiter>)> {
        self.lock().ring.iter().map(|node| (node.key.clone(), node.limiter.clone())).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().ring.len()
    }

    fn lock(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recent {
    fn touch(&mut self, key: &str) -> Option<Arc<Limiter>> {
        let at = *self.index.get(key)?;
        if at != self.newest {
            let Node { newer, older, .. } = self.ring[at];
            self.ring[older].newer = newer;
            self.ring[newer].older = older;
            self.link(at);
        }
        Some(self.ring[at].limiter.clone())
    }

    /// Turns the ring until the oldest can go; those in use count as used just now.
    fn make_room(&mut self, capacity: usize) -> bool {
        if self.ring.len() < capacity {
            return true;
        }
        for _ in 0..self.ring.len() {
            // Permits, those who wait and handles hold their limiter, and clones are made under the lock only: one that
            // nobody else holds has nothing in flight, and will not have.
            if Arc::strong_count(&self.ring[self.oldest()].limiter) == 1 {
                return true;
            }
            self.newest = self.oldest();
        }
        false
    }

    /// In the place of the oldest, if there is no other: what was there is handed out, to be dropped without the lock.
    fn insert(&mut self, key: Arc<str>, limiter: Arc<Limiter>, capacity: usize) -> Option<Node> {
        let mut node = Node { key: key.clone(), limiter, newer: 0, older: 0 };
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
impl fmt::Debug for Keyed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{permit::now, policy::Fixed, rules::Rules};

    fn limiter() -> Arc<Limiter> {
        Rules::new(Fixed::new(1)).limiter(now())
    }

    fn keys(keyed: &Keyed) -> Vec<String> {
        let mut keys: Vec<_> = keyed.all().into_iter().map(|(key, _)| key.to_string()).collect();
        keys.sort();
        keys
    }

    #[test]
    fn the_one_used_longest_ago_makes_room() {
        let keyed = Keyed::new(3);
        for key in ["a", "b", "c", "a", "d"] {
            assert!(keyed.limiter(key, limiter).is_some());
        }
        assert_eq!(keys(&keyed), ["a", "c", "d"]);
        for key in ["c", "e", "f"] {
            assert!(keyed.limiter(key, limiter).is_some());
        }
        assert_eq!(keys(&keyed), ["c", "e", "f"]);
    }

    #[test]
    fn one_in_use_stays_and_if_all_are_there_is_none_for_another() {
        let keyed = Keyed::new(2);
        let a = keyed.limiter("a", limiter).unwrap();
        for key in ["b", "c", "d"] {
            assert!(keyed.limiter(key, limiter).is_some());
        }
        assert_eq!(keys(&keyed), ["a", "d"]);
        let d = keyed.limiter("d", limiter).unwrap();
        assert!(keyed.limiter("e", || panic!("none is made in vain")).is_none());
        assert!(Arc::ptr_eq(&a, &keyed.limiter("a", limiter).unwrap()));
        drop(d);
        assert!(keyed.limiter("e", limiter).is_some());
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
            let mut list: Vec<(String, Vec<Arc<Limiter>>)> = Vec::new();
            for (key, what) in steps {
                let key = key.to_string();
                if what == 0 {
                    if let Some((_, held)) = list.iter_mut().find(|(other, _)| *other == key) {
                        held.pop();
                    }
                    continue;
                }
                let limiter = keyed.limiter(&key, limiter);
                let known = list.iter().position(|(other, _)| *other == key);
                if let Some(at) = known {
                    let entry = list.remove(at);
                    list.push(entry);
                } else {
                    if list.len() == capacity {
                        let Some(idle) = list.iter().position(|(_, held)| held.is_empty()) else {
                            proptest::prop_assert!(limiter.is_none());
                            continue;
                        };
                        // Those in use that were passed over count as just used.
                        list.rotate_left(idle);
                        list.remove(0);
                    }
                    list.push((key, Vec::new()));
                }
                let (_, held) = list.last_mut().unwrap();
                let limiter = limiter.unwrap();
                proptest::prop_assert!(held.iter().all(|other| Arc::ptr_eq(other, &limiter)));
                if what == 2 {
                    held.push(limiter);
                }
                let mut expected: Vec<_> = list.iter().map(|(key, _)| key.clone()).collect();
                expected.sort();
                proptest::prop_assert_eq!(keys(&keyed), expected);
            }
        }
    }
}
