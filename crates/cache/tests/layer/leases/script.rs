use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use dashpot_cache::{Acquired, Entry, Lease, Leases, MemoryStore, Place, Released, StoreError};
use tokio::time::sleep;

/// Leases that are told how to fare.
#[derive(Clone)]
pub(super) struct Script {
    leases: MemoryStore,
    ways: Arc<Mutex<Ways>>,
    asked: Arc<AtomicUsize>,
}

#[derive(Clone, Default)]
pub(super) struct Ways {
    /// How long it takes to have effect, and to be heard after that.
    pub(super) before: Duration,
    pub(super) after: Duration,
    pub(super) fails: bool,
    pub(super) panics: bool,
    /// Who holds a lease is cut off, and neither renews it nor gives it back.
    pub(super) is_cut_off: bool,
    /// What is said to be kept.
    pub(super) entry: Option<Arc<Entry>>,
}

impl Script {
    pub(super) fn new(leases: &MemoryStore) -> Self {
        let (ways, asked) = Default::default();
        Self { leases: leases.clone(), ways, asked }
    }

    pub(super) fn set(&self, change: impl FnOnce(&mut Ways)) {
        change(&mut self.ways.lock().unwrap());
    }

    /// How often a lease was asked for.
    pub(super) fn asked(&self) -> usize {
        self.asked.load(Relaxed)
    }

    fn ways(&self) -> Ways {
        self.ways.lock().unwrap().clone()
    }

    fn result(&self) -> Result<(), StoreError> {
        assert!(!self.ways().panics, "as it was told to");
        if self.ways().fails { Err(StoreError::new("as it was told to")) } else { Ok(()) }
    }
}

impl Leases for Script {
    async fn acquire(
        &self,
        place: Place,
        time: Duration,
    ) -> Result<(Acquired, Option<Arc<Entry>>), StoreError> {
        self.asked.fetch_add(1, Relaxed);
        sleep(self.ways().before).await;
        self.result()?;
        let (acquired, entry) = self.leases.acquire(place, time).await?;
        sleep(self.ways().after).await;
        Ok((acquired, self.ways().entry.or(entry)))
    }

    async fn renew(&self, lease: Lease, time: Duration) -> Result<bool, StoreError> {
        self.result()?;
        if self.ways().is_cut_off {
            std::future::pending().await
        } else {
            self.leases.renew(lease, time).await
        }
    }

    async fn release(&self, lease: Lease, outcome: Released) -> Result<(), StoreError> {
        self.result()?;
        if self.ways().is_cut_off {
            std::future::pending().await
        } else {
            self.leases.release(lease, outcome).await
        }
    }
}
