//! The default policy against a small upstream, and against nonsense.
#![allow(clippy::unwrap_used, reason = "a test")]

mod capacity;
mod clients;
mod hostile;
mod nonsense;
mod operators;
mod reports;
mod streams;
mod world;
