#![doc = include_str!("../README.md")]

pub mod body;
pub mod strict;
mod trigger;

pub use trigger::Trigger;
