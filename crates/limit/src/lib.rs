#![doc = include_str!("../README.md")]

mod body;
mod future;
mod guard;
mod handle;
mod layer;
mod limiter;
mod permit;
pub mod policy;
mod rate;
mod refusal;
mod service;
mod stats;
mod thinning;
mod waiters;
mod waiting;
mod word;
#[cfg(test)]
mod word_tests;

pub use body::ResponseBody;
pub use future::ResponseFuture;
pub use handle::Handle;
pub use layer::LimitLayer;
pub use policy::Policy;
pub use service::Limit;
pub use stats::{Decision, Stats};

/// Where the atomics come from: the tests of all orders compile the same files with loom's.
mod atomic {
    pub(crate) use std::sync::atomic::{AtomicU64, Ordering};
}
