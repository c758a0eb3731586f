//! The verifier, rule by rule.

#![allow(clippy::unwrap_used, reason = "tests")]

mod guard;
mod learned;
mod verifier;
