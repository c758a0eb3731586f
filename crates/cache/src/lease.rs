//! One call for all processes that share a store.

use std::{fmt, sync::Arc, time::Duration};

use crate::{Entry, Place, StoreError, ask::BoxFuture};

/// Who of all processes that share a store makes the call for a place: whoever has its lease, which ends by itself if they do
/// not renew it. They are the store's own, so that [`Store::put`](crate::Store::put) can look at them.
///
/// An error, or an answer that does not come in time, is no lease, and the request makes a call of its own.
pub trait Leases: Send + Sync + 'static {
    /// Takes the lease for a place, for so long, if nobody has it; and what is kept there, looked at after that: a call that
    /// ended just before is not made again.
    fn acquire(
        &self,
        place: Place,
        time: Duration,
    ) -> impl Future<Output = Result<(Acquired, Option<Arc<Entry>>), StoreError>> + Send;

    /// Holds a lease for so long from now; whether it was still held.
    fn renew(&self, lease: Lease, time: Duration) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Gives a lease back, if it is still held.
    fn release(&self, lease: Lease, outcome: Released)
    -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// What came of [asking for a lease](Leases::acquire).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acquired {
    /// It is ours.
    Ours(Lease),
    /// Another has it, whose answer is to be waited for.
    Theirs,
    /// Another had it a moment ago, and its answer [was not kept](Released::NotKept): there is nothing to wait for.
    Nothing,
}

/// How a lease ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Released {
    /// The answer is in the store.
    Kept,
    /// There is none, or it is not one to keep. Who waits is not to wait for another: for so long as this, [`Leases::acquire`]
    /// says [`Nothing`](Acquired::Nothing). With zero the lease is the next one's who asks.
    NotKept(Duration),
}

/// A lease that was taken: of all that ever were, each has a token of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lease {
    /// What it is for.
    pub place: Place,
    /// Which of all it is.
    pub token: u128,
}

impl Lease {
    /// A lease with a token that nobody can guess.
    ///
    /// # Errors
    /// If the system has no randomness to give.
    pub fn draw(place: Place) -> Result<Self, StoreError> {
        let mut token = [0; 16];
        getrandom::fill(&mut token).map_err(StoreError::new)?;
        Ok(Self { place, token: u128::from_ne_bytes(token) })
    }
}

/// Who knows the token can write in its place.
impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("place", &self.place).finish_non_exhaustive()
    }
}

/// What is said to who asks for a lease.
type Asked = (Acquired, Option<Arc<Entry>>);

/// [`Leases`] of whatever type.
pub(crate) trait AnyLeases: Send + Sync {
    fn acquire(&self, place: Place, time: Duration) -> BoxFuture<'_, Result<Asked, StoreError>>;

    fn renew(&self, lease: Lease, time: Duration) -> BoxFuture<'_, Result<bool, StoreError>>;

    fn release(&self, lease: Lease, outcome: Released) -> BoxFuture<'_, Result<(), StoreError>>;
}

impl<L: Leases> AnyLeases for L {
    fn acquire(&self, place: Place, time: Duration) -> BoxFuture<'_, Result<Asked, StoreError>> {
        Box::pin(Leases::acquire(self, place, time))
    }

    fn renew(&self, lease: Lease, time: Duration) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(Leases::renew(self, lease, time))
    }

    fn release(&self, lease: Lease, outcome: Released) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(Leases::release(self, lease, outcome))
    }
}
