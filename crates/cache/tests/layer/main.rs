//! The layer as its users see it.

#![allow(clippy::unwrap_used, reason = "tests")]

mod contract;
mod controls;
mod distrust;
mod endings;
mod exact;
mod flights;
mod kept;
mod learned;
mod leases;
mod promise;
mod removed;
mod restore;
mod rests;
mod sharing;
mod similar;
mod stored;
mod streams;
mod support;
mod verifier;
