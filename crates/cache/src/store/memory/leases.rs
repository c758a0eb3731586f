use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{Acquired, Entry, Lease, Leases, MemoryStore, Place, Released, Store, StoreError, now};

/// Who has which lease in this process, and what was just given back.
#[derive(Debug, Default)]
pub(super) struct Held(Mutex<States>);

#[derive(Debug, Default)]
struct States {
    of: HashMap<Place, State>,
    /// Beyond so many, those whose time is over are cleared away.
    most: usize,
}

#[derive(Clone, Copy, Debug)]
struct State {
    /// `None`: it was given back, and no answer came of it.
    lease: Option<Lease>,
    until: Instant,
}

/// A day is as good as what no clock counts to.
const LONGEST: Duration = Duration::from_secs(86_400);

impl Held {
    /// Does something if a lease is held, and nobody takes it meanwhile; whether it did.
    pub(super) fn while_held(&self, lease: Lease, act: impl FnOnce()) -> bool {
        let states = self.lock();
        let is_held = states.of.get(&lease.place).is_some_and(|state| state.is(lease));
        if is_held {
            act();
        }
        is_held
    }

    fn acquire(&self, place: Place, time: Duration) -> Result<Acquired, StoreError> {
        let mut states = self.lock();
        Ok(match states.of.get(&place).filter(|state| !state.is_over()) {
            Some(State { lease: Some(_), .. }) => Acquired::Theirs,
            Some(State { lease: None, .. }) => Acquired::Nothing,
            None => {
                let lease = Lease::draw(place)?;
                states.insert(place, State::until(Some(lease), time));
                Acquired::Ours(lease)
            }
        })
    }

    fn lock(&self) -> MutexGuard<'_, States> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl States {
    fn insert(&mut self, place: Place, state: State) {
        self.of.insert(place, state);
        if self.of.len() > self.most {
            self.of.retain(|_, state| !state.is_over());
            // So each is looked at once on average, however many are held.
            self.most = 2 * self.of.len();
        }
    }
}

impl State {
    fn until(lease: Option<Lease>, time: Duration) -> Self {
        Self { lease, until: now() + time.min(LONGEST) }
    }

    fn is_over(&self) -> bool {
        now() >= self.until
    }

    fn is(&self, lease: Lease) -> bool {
        self.lease == Some(lease) && !self.is_over()
    }
}

/// Among the layers of one process that share a store.
impl Leases for MemoryStore {
    async fn acquire(
        &self,
        place: Place,
        time: Duration,
    ) -> Result<(Acquired, Option<Arc<Entry>>), StoreError> {
        let acquired = self.leases.acquire(place, time)?;
        Ok((acquired, self.get(place).await?))
    }

    async fn renew(&self, lease: Lease, time: Duration) -> Result<bool, StoreError> {
        let mut states = self.leases.lock();
        let state = states.of.get_mut(&lease.place).filter(|state| state.is(lease));
        let is_held = state.is_some();
        if let Some(state) = state {
            *state = State::until(Some(lease), time);
        }
        Ok(is_held)
    }

    async fn release(&self, lease: Lease, outcome: Released) -> Result<(), StoreError> {
        let mut states = self.leases.lock();
        if states.of.get(&lease.place).is_some_and(|state| state.is(lease)) {
            match outcome {
                Released::Kept => drop(states.of.remove(&lease.place)),
                Released::NotKept(time) => states.insert(lease.place, State::until(None, time)),
            }
        }
        Ok(())
    }
}
