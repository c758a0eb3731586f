//! What a policy is told of each kind of exchange, and what it is not.
#![allow(clippy::unwrap_used, reason = "a test")]

mod answers;
mod clients;
mod layers;
mod model;
mod recorder;
