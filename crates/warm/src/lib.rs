#![doc = include_str!("../README.md")]

mod answer;
mod body;
mod cold;
#[cfg(feature = "connections")]
pub mod connections;
mod driver;
mod event;
mod future;
mod handle;
mod keyed_handle;
mod layer;
mod loading;
mod machine;
#[cfg(feature = "metrics")]
mod metrics;
mod permit;
pub mod policy;
pub mod prefix;
mod queue;
mod replay;
mod rules;
mod service;
pub mod starter;
mod state;
mod stats;
#[cfg(test)]
mod tests;
mod upstream;
mod upstreams;
mod waiting;
mod word;

#[cfg(feature = "metrics")]
pub use self::metrics::MetricsObserver;
pub use body::ResponseBody;
pub use cold::{HttpIsCold, IsCold, is_refused};
pub use dashpot_body::Head;
pub use event::{ColdRequest, Observer};
pub use future::ResponseFuture;
pub use handle::{Handle, Subscription};
pub use keyed_handle::KeyedHandle;
pub use layer::WarmLayer;
pub use replay::{CloneReplay, NoReplay, Replay};
pub use service::Warm;
pub use state::WarmState;
pub use stats::{Start, Stats};

/// Where the atomics come from: the tests of all orders compile the same files with loom's.
mod atomic {
    pub(crate) use std::sync::atomic::{AtomicU64, Ordering};
}
