#![doc = include_str!("../README.md")]

mod body;
mod budgets;
mod call;
mod future;
mod guard;
mod handle;
mod keyed_handle;
mod layer;
mod limiter;
mod limits;
mod partitions;
#[cfg(test)]
mod partitions_tests;
mod permit;
pub mod policy;
mod rate;
mod rules;
mod service;
mod stats;
mod thinning;
mod tokens;
mod waiters;
mod waiting;
mod word;
#[cfg(test)]
mod word_tests;

pub use body::ResponseBody;
pub use call::{CallFuture, CallLimit, CallLimitLayer};
pub use dashpot_body::{Head, ReleaseAt};
pub use dashpot_core::{CallError, ResultClassify};
pub use future::ResponseFuture;
pub use handle::Handle;
pub use keyed_handle::KeyedHandle;
pub use layer::LimitLayer;
pub use policy::Policy;
pub use service::Limit;
pub use stats::{Decision, PartitionStats, Stats, TokenStats};

/// Where the atomics come from: the tests of all orders compile the same files with loom's.
mod atomic {
    pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
}
