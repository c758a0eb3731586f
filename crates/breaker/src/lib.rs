#![doc = include_str!("../README.md")]

mod baseline;
mod body;
mod breakers;
mod call;
mod event;
mod fallback;
mod future;
mod guard;
mod handle;
mod hold;
mod keyed_handle;
mod layer;
mod machine;
#[cfg(feature = "metrics")]
mod metrics;
mod past;
mod permit;
mod ready_call;
mod rules;
mod service;
mod stats;
mod streak;
#[cfg(test)]
mod tests;
mod window;
mod word;

#[cfg(feature = "metrics")]
pub use self::metrics::MetricsObserver;
pub use body::ResponseBody;
pub use call::{CallBreaker, CallBreakerLayer, CallFuture};
pub use dashpot_body::Head;
pub use dashpot_core::{CallError, ResultClassify};
pub use event::{BreakerState, Call, Observer, Reason, Transition};
pub use fallback::{Fallback, FallbackService, RefusalBody, Refuse};
pub use future::ResponseFuture;
pub use handle::Handle;
pub use keyed_handle::KeyedHandle;
pub use layer::BreakerLayer;
pub use ready_call::ReadyCall;
pub use rules::Slow;
pub use service::Breaker;
pub use stats::{Control, Stats};

/// Where the atomics come from: the tests of all orders compile the same files with loom's.
mod atomic {
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
}
