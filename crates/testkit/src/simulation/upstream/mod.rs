//! What stands behind the limit.

mod batching;
mod queue;
mod sharing;

use super::{Nanos, workload::Work};

pub(super) use batching::Batching;
pub(super) use queue::Queue;
pub(super) use sharing::Sharing;

/// The key of an exchange. The low half is an index that is used again, the high half tells its uses apart.
pub(super) type Id = u64;

pub(super) fn index(id: Id) -> usize {
    (id & u64::from(u32::MAX)) as usize
}

/// Something that does work.
pub(super) trait Upstream {
    /// Takes the work or, if it has too much of it, does not.
    fn offer(&mut self, now: Nanos, id: Id, work: &Work) -> bool;

    /// Nobody waits for this any more, so it is not worked on any longer.
    fn withdraw(&mut self, now: Nanos, id: Id);

    /// When something happens next, if nothing else is asked of it.
    fn next(&mut self) -> Option<Nanos>;

    /// What happens at that time.
    fn advance(&mut self, now: Nanos) -> Option<(Id, Progress)>;

    /// From now on it has so many slots, and what begins takes longer by this factor.
    fn reshape(&mut self, now: Nanos, slots: f64, slow: f64);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// The first token is there; the exchange had to wait so long for others.
    FirstToken { waited: Nanos },
    /// All of it is done.
    End,
}

/// A table by [`index`].
#[derive(Debug)]
pub(super) struct Table<T>(Vec<Option<(Id, T)>>);

impl<T> Table<T> {
    pub(super) fn new() -> Self {
        Self(Vec::new())
    }

    pub(super) fn insert(&mut self, id: Id, value: T) {
        let at = index(id);
        if at >= self.0.len() {
            self.0.resize_with(at + 1, || None);
        }
        self.0[at] = Some((id, value));
    }

    pub(super) fn get(&mut self, id: Id) -> Option<&mut T> {
        match self.0.get_mut(index(id)) {
            Some(Some((held, value))) if *held == id => Some(value),
            _ => None,
        }
    }

    pub(super) fn remove(&mut self, id: Id) -> Option<T> {
        self.get(id)?;
        self.0[index(id)].take().map(|(_, value)| value)
    }
}
