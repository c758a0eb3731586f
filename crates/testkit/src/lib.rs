#![doc = include_str!("../README.md")]

pub mod body;
pub mod model_server;
pub mod strict;
mod trigger;

pub use trigger::Trigger;
