//! Whether an answer to one question is an answer to another.

mod align;
pub mod guard;
mod learned;
mod lexicon;
mod pairing;
mod reading;
mod refused;
mod stem;
mod typo;
mod verifier;

pub use learned::{Decision, Learned};
pub use refused::Refused;
pub use verifier::{Score, Verify};
