#![doc = include_str!("../README.md")]

mod body;
mod future;
mod handle;
mod head;
mod heartbeat;
mod layer;
#[cfg(feature = "metrics")]
mod metrics;
mod mode;
mod observer;
mod peek;
mod pieces;
#[cfg(feature = "resume")]
pub mod resume;
mod service;
mod summary;
mod watch;
mod whole;

#[cfg(feature = "metrics")]
pub use metrics::MetricsObserver;

pub use body::ResponseBody;
pub use future::ResponseFuture;
pub use handle::{Handle, Stats};
pub use heartbeat::{Heartbeat, HeartbeatBody, HeartbeatFuture, HeartbeatHandle, HeartbeatLayer};
pub use layer::SsePassthroughLayer;
pub use mode::{Mode, ModeBody, ModeFuture, ModeHandle, ModeLayer, ModeService, ModeStats};
pub use observer::Observer;
pub use peek::{PeekFirst, PeekFirstBody, PeekFirstFuture, PeekFirstLayer};
pub use service::SsePassthrough;
pub use summary::{End, Summary, Times};
