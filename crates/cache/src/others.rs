//! Whom a layer asks beside the upstream: they may hang, fail or panic, and no request suffers for it.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use tokio::time::timeout;

use crate::{ask::caught, flight::BoxError, now, stats::count};

use quiet::Quiet;
use rest::Rest;

mod quiet;
mod rest;

/// One of them.
#[derive(Debug)]
pub(crate) struct Other {
    who: &'static str,
    failures: AtomicU64,
    unasked: AtomicU64,
    rest: Rest,
    quiet: Quiet,
}

/// All of them. Reading and writing are told apart: a full store can still be read.
#[derive(Debug)]
pub(crate) struct Others {
    pub(crate) reads: Other,
    pub(crate) writes: Other,
    pub(crate) leases: Other,
    pub(crate) held: Other,
    pub(crate) embedder: Other,
    pub(crate) index: Other,
    pub(crate) verifier: Other,
    pub(crate) judge: Other,
}

impl Default for Others {
    fn default() -> Self {
        Self {
            reads: Other::new("the cache's store, to be read"),
            writes: Other::new("the cache's store, to be written"),
            leases: Other::new("the cache's store, to be asked for a lease"),
            held: Other::new("the cache's store, to be told of a lease that is held"),
            embedder: Other::new("the cache's embedder"),
            index: Other::new("the cache's index"),
            verifier: Other::new("the cache's verifier"),
            judge: Other::new("the cache's judge"),
        }
    }
}

impl Others {
    /// How often one of them was not asked, since it rests.
    pub(crate) fn unasked(&self) -> u64 {
        let Self { reads, writes, leases, held, embedder, index, verifier, judge } = self;
        [reads, writes, leases, held, embedder, index, verifier, judge]
            .map(|other| other.unasked.load(Relaxed))
            .iter()
            .sum()
    }
}

impl Other {
    fn new(who: &'static str) -> Self {
        let (failures, unasked) = <_>::default();
        Self { who, failures, unasked, rest: Rest::default(), quiet: Quiet::default() }
    }

    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Relaxed)
    }

    /// What comes of asking, if it comes in time. One that fails again and again is not asked at all for a while.
    pub(crate) async fn ask<T, E: Into<BoxError>>(
        &self,
        within: Duration,
        asked: impl Future<Output = Result<T, E>>,
    ) -> Option<T> {
        if !self.rest.is_over() && !self.rest.may_ask(now()) {
            count(&self.unasked);
            return None;
        }
        match timeout(within, caught(asked)).await {
            Ok(Some(Ok(said))) => {
                self.rest.worked();
                return Some(said);
            }
            Ok(Some(Err(error))) => self.failed(&*error.into()),
            Ok(None) => self.failed(&*BoxError::from("it panicked")),
            Err(_) => self.failed(&*BoxError::from(format!("it took longer than {within:?}"))),
        }
        None
    }

    fn failed(&self, error: &(dyn std::error::Error + 'static)) {
        self.rest.failed(now());
        self.has_failed(error);
    }

    /// Counts a failure that says nothing about the next time.
    pub(crate) fn has_failed(&self, error: &(dyn std::error::Error + 'static)) {
        count(&self.failures);
        if let Some(before) = self.quiet.speaks(now()) {
            tracing::warn!(error, before, "{} failed", self.who);
        }
    }
}
