//! Whether an answer to one question is an answer to another.

pub mod guard;
mod lexicon;
mod pairing;
mod reading;
mod refused;
mod stem;

pub use refused::Refused;
