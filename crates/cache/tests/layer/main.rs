//! The layer as its users see it.

#![allow(clippy::unwrap_used, reason = "tests")]

mod contract;
mod controls;
mod exact;
mod flights;
mod learned;
mod promise;
mod restore;
mod similar;
mod stored;
mod support;
mod verifier;
