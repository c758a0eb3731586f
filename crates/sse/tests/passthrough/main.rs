//! The layer as its users see it.

#![allow(clippy::unwrap_used, reason = "tests")]

mod contract;
mod ends;
mod head;
mod heartbeat;
mod identity;
#[cfg(feature = "metrics")]
mod metrics;
mod mode;
mod observer;
mod peek;
mod report;
mod support;
mod whole;
