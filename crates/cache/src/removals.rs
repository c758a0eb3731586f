//! What was removed of late, so that no call that began before brings it back.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{Entry, Removal};

/// So many are remembered. A call that began before more than that keeps nothing.
const MOST: usize = 1024;

#[derive(Debug, Default)]
pub(crate) struct Removals(Mutex<Log>);

#[derive(Debug, Default)]
struct Log {
    count: u64,
    last: VecDeque<Removal>,
}

/// How many removals there had been at some time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Since(u64);

impl Removals {
    pub(crate) fn now(&self) -> Since {
        Since(self.lock().count)
    }

    pub(crate) fn add(&self, what: Removal) {
        let mut log = self.lock();
        log.count += 1;
        log.last.push_back(what);
        if log.last.len() > MOST {
            log.last.pop_front();
        }
    }

    /// Whether one of those since then was, or may have been, about this entry.
    pub(crate) fn are_about(&self, entry: &Entry, Since(since): Since) -> bool {
        let log = self.lock();
        let new = usize::try_from(log.count - since).unwrap_or(usize::MAX);
        new > log.last.len() || log.last.iter().rev().take(new).any(|removal| removal.is_about(entry))
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
