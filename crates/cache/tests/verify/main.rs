//! The verifier, rule by rule.

mod guard;
mod learned;
mod verifier;
