#![doc = include_str!("../README.md")]

mod answer;
mod ask;
mod body;
mod call;
mod commit;
mod control;
mod entry;
mod exchange;
mod feedback;
mod find;
mod flight;
mod format;
mod handle;
mod index;
pub mod judge;
mod keep;
mod key;
mod layer;
mod learning;
mod lease;
#[cfg(feature = "metrics")]
mod metrics;
mod others;
mod persist;
mod removals;
mod replay;
mod request;
mod service;
mod similar;
mod stats;
mod status;
mod store;
mod turn;
pub mod verify;

pub use body::{Broken, ResponseBody};
pub use entry::{Entry, Place};
pub use format::NoEntry;
pub use handle::Handle;
pub use index::{FlatIndex, Index, Near};
pub use keep::Keep;
pub use key::{Key, NoKey};
pub use layer::CacheLayer;
pub use learning::Learning;
pub use lease::{Acquired, Lease, Leases, Released};
pub use persist::RestoreError;
pub use request::RequestBody;
pub use service::{Cache, ResponseFuture};
pub use similar::Similar;
pub use stats::Stats;
pub use store::{MemoryStore, Removal, Store, StoreError};

/// The time, on the clock that tests can pause.
fn now() -> std::time::Instant {
    tokio::time::Instant::now().into_std()
}
