use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use dashpot_cache::{
    Acquired, Entry, Index, Key, Lease, Leases, Near, Place, Released, Removal, Store, StoreError,
};
use dashpot_core::{Tenant, cosine};
use tokio::task::yield_now;

/// What is wrong with a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    GetIgnoresPartition,
    FindIgnoresTenant,
    ForgetsTags,
    KeepsTheFirst,
    KeepsForEver,
    SkipsWhatIsMissing,
    RemovesTagsOfAll,
    RemovesByPattern,
    RemovesKeysOfAll,
    SplitsNamesAtNul,
    RemembersOldTags,
    TagsEarly,
    FarthestFirst,
    GivesMore,
    SearchIgnoresPartition,
    KeepsTheFirstMeaning,
    NeverForgets,
    ForgetsInEachPartition,
    FailsAtOtherLengths,
    GivesWhatIsOver,
    LeasesToAll,
    LeasesForEver,
    RenewsNothing,
    WritesForAll,
    GivesBackForAll,
    TellsNothing,
    WritesLate,
    SaysNobodyOfNothing,
    LeasesByKey,
}

/// Everything in maps that are looked through, with at most one fault.
#[derive(Clone, Debug)]
pub(crate) struct Plain {
    fault: Option<Fault>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    entries: BTreeMap<(Key, Key), Arc<Entry>>,
    /// Each tag of a tenant, with what has it.
    tagged: Vec<(Tenant, String, Place)>,
    vectors: BTreeMap<(Key, Key), Vec<f32>>,
    leases: HashMap<Place, (Option<Lease>, Instant)>,
}

impl Plain {
    pub(crate) fn new(fault: Option<Fault>) -> Self {
        Self { fault, state: Arc::default() }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn entry(&self, place: Place) -> Option<Arc<Entry>> {
        let state = self.state();
        let entry = if self.has(Fault::GetIgnoresPartition) {
            state.entries.values().find(|entry| entry.key == place.key)
        } else {
            state.entries.get(&(place.partition, place.key))
        };
        entry.filter(|entry| self.has(Fault::KeepsForEver) || entry.left(now()).is_some()).cloned()
    }

    /// Where a lease is kept.
    fn of(&self, place: Place) -> Place {
        if self.has(Fault::LeasesByKey) { Place { partition: place.key, ..place } } else { place }
    }

    fn is_held(&self, lease: Lease) -> bool {
        let state = self.state();
        let known = state.leases.get(&self.of(lease.place));
        known.is_some_and(|&(held, until)| held == Some(lease) && until > now())
    }

    fn removes(&self, what: &Removal, entry: &Entry, tagged: &[(Tenant, String, Place)]) -> bool {
        let cut = |name: &str| match name.split_once('\0') {
            Some((begin, _)) if self.has(Fault::SplitsNamesAtNul) => begin.to_owned(),
            _ => name.to_owned(),
        };
        match what {
            Removal::Entry(_, key) if self.has(Fault::RemovesKeysOfAll) => entry.key == *key,
            Removal::Tagged(_, tag) if self.has(Fault::RemovesTagsOfAll) => {
                entry.tags.iter().any(|known| **known == **tag)
            }
            Removal::Tagged(tenant, tag) if tag == "*" && self.has(Fault::RemovesByPattern) => {
                entry.tenant == *tenant
            }
            Removal::Tagged(tenant, tag) => tagged.iter().any(|(known, its, place)| {
                known == tenant && cut(its) == cut(tag) && *place == entry.place()
            }),
            _ => what.is_about(entry),
        }
    }
}

impl Store for Plain {
    async fn get(&self, place: Place) -> Result<Option<Arc<Entry>>, StoreError> {
        Ok(self.entry(place))
    }

    async fn get_all(&self, partition: Key, keys: &[Key]) -> Result<Vec<Option<Arc<Entry>>>, StoreError> {
        let all = keys.iter().map(|&key| self.entry(Place { partition, key }));
        Ok(all.filter(|entry| entry.is_some() || !self.has(Fault::SkipsWhatIsMissing)).collect())
    }

    async fn find(&self, tenant: &Tenant, key: Key) -> Result<Option<Arc<Entry>>, StoreError> {
        let state = self.state();
        let mut all = state.entries.values().filter(|entry| entry.key == key && entry.left(now()).is_some());
        Ok(all.find(|entry| self.has(Fault::FindIgnoresTenant) || entry.tenant == *tenant).cloned())
    }

    async fn put(&self, entry: Arc<Entry>, lease: Option<Lease>) -> Result<bool, StoreError> {
        if let Some(lease) = lease.filter(|_| !self.has(Fault::WritesForAll))
            && (lease.place != entry.place() || !self.is_held(lease))
        {
            return Ok(false);
        }
        if lease.is_some() && self.has(Fault::WritesLate) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let place = entry.place();
        if !self.has(Fault::RemembersOldTags) {
            self.state().tagged.retain(|(_, _, of)| *of != place);
        }
        let tags = entry.tags.iter().map(|tag| (entry.tenant.clone(), tag.as_ref().to_owned(), place));
        self.state().tagged.extend(tags);
        if self.has(Fault::TagsEarly) {
            yield_now().await;
        }
        let kept = if self.has(Fault::ForgetsTags) {
            Arc::new(Entry { tags: Vec::new(), ..Entry::clone(&entry) })
        } else {
            entry
        };
        let mut state = self.state();
        let at = state.entries.entry((place.partition, place.key)).or_insert_with(|| kept.clone());
        if !self.has(Fault::KeepsTheFirst) {
            *at = kept;
        }
        Ok(true)
    }

    async fn remove(&self, what: Removal) -> Result<(), StoreError> {
        let State { entries, tagged, .. } = &mut *self.state();
        entries.retain(|_, entry| !self.removes(&what, entry, tagged));
        tagged.retain(|(_, _, place)| entries.contains_key(&(place.partition, place.key)));
        Ok(())
    }
}

impl Index for Plain {
    async fn insert(&self, entry: &Entry) -> Result<(), StoreError> {
        let Some(embedding) = &entry.embedding else { return Ok(()) };
        let mut state = self.state();
        let at =
            state.vectors.entry((entry.partition, entry.key)).or_insert_with(|| embedding.vector().to_vec());
        if !self.has(Fault::KeepsTheFirstMeaning) {
            *at = embedding.vector().to_vec();
        }
        Ok(())
    }

    async fn search(&self, partition: Key, vector: &[f32], most: usize) -> Result<Vec<Near>, StoreError> {
        let state = self.state();
        let mut near = Vec::new();
        for (&(of, key), its) in &state.vectors {
            if of != partition && !self.has(Fault::SearchIgnoresPartition) {
                continue;
            }
            if its.len() != vector.len() {
                if self.has(Fault::FailsAtOtherLengths) {
                    return Err(StoreError::new("it has another length"));
                }
                continue;
            }
            near.push((cosine(its, vector), of, key));
        }
        near.sort_by(|one, other| other.0.total_cmp(&one.0));
        if self.has(Fault::FarthestFirst) {
            near.reverse();
        }
        let most = if self.has(Fault::GivesMore) { usize::MAX } else { most };
        let entry = |of, key| {
            let is_told = self.has(Fault::GivesWhatIsOver) || self.has(Fault::SearchIgnoresPartition);
            state.entries.get(&(of, key)).filter(|_| is_told).cloned()
        };
        Ok(near.into_iter().take(most).map(|(_, of, key)| Near { key, entry: entry(of, key) }).collect())
    }

    async fn remove(&self, partition: Key, key: Key) -> Result<(), StoreError> {
        let everywhere = self.has(Fault::ForgetsInEachPartition);
        if !self.has(Fault::NeverForgets) {
            self.state().vectors.retain(|at, _| at.1 != key || (at.0 != partition && !everywhere));
        }
        Ok(())
    }
}

impl Leases for Plain {
    async fn acquire(
        &self,
        place: Place,
        time: Duration,
    ) -> Result<(Acquired, Option<Arc<Entry>>), StoreError> {
        let acquired = {
            let mut state = self.state();
            let known = state.leases.get(&self.of(place));
            let known = known.filter(|(_, until)| *until > now() || self.has(Fault::LeasesForEver));
            match known.filter(|_| !self.has(Fault::LeasesToAll)) {
                Some((Some(_), _)) => Acquired::Theirs,
                Some((None, _)) => Acquired::Nothing,
                None => {
                    let lease = Lease::draw(place)?;
                    state.leases.insert(self.of(place), (Some(lease), now() + time));
                    Acquired::Ours(lease)
                }
            }
        };
        let entry = self.entry(place).filter(|_| !self.has(Fault::TellsNothing));
        Ok((acquired, entry))
    }

    async fn renew(&self, lease: Lease, time: Duration) -> Result<bool, StoreError> {
        let is_held = self.is_held(lease);
        if is_held {
            let time = if self.has(Fault::RenewsNothing) { Duration::ZERO } else { time };
            self.state().leases.insert(self.of(lease.place), (Some(lease), now() + time));
        }
        Ok(is_held)
    }

    async fn release(&self, lease: Lease, outcome: Released) -> Result<(), StoreError> {
        if self.is_held(lease) || self.has(Fault::GivesBackForAll) {
            let mut state = self.state();
            state.leases.remove(&self.of(lease.place));
            if let Released::NotKept(time) = outcome
                && !self.has(Fault::SaysNobodyOfNothing)
            {
                state.leases.insert(self.of(lease.place), (None, now() + time));
            }
        }
        Ok(())
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
