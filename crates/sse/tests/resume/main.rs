//! Streams that are read on by a client that comes back.

#![cfg(feature = "resume")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod back;
mod contract;
mod ends;
mod heartbeat;
mod identity;
mod memory;
mod owner;
mod pace;
mod random;
mod store;
mod support;
