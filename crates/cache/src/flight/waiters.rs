use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Wake, Waker},
};

/// Those who wait for more of an answer, each once. Mostly there is one: a tree of one is found without a hash.
#[derive(Debug, Default)]
pub(super) struct Waiters(Mutex<BTreeMap<u64, Waker>>);

impl Waiters {
    pub(super) fn wait(&self, who: u64, waker: &Waker) {
        let mut waiting = self.lock();
        match waiting.get_mut(&who) {
            Some(known) => known.clone_from(waker),
            None => drop(waiting.insert(who, waker.clone())),
        }
    }

    pub(super) fn leave(&self, who: u64) {
        self.lock().remove(&who);
    }

    pub(super) fn wake_all(&self) {
        // They run outside of the lock: whom they wake may come back at once.
        let waiting = std::mem::take(&mut *self.lock());
        waiting.into_values().for_each(Waker::wake);
    }

    /// Wakes any of them. If that one leaves in place of looking, it wakes another.
    pub(super) fn wake_one(&self) {
        let waiting = self.lock().pop_first();
        if let Some((_, waker)) = waiting {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Waker>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The upstream wakes all: any of them can go on, and one of them may be gone before it does.
impl Wake for Waiters {
    fn wake(self: Arc<Self>) {
        self.wake_all();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_all();
    }
}
