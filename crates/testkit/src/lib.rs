#![doc = include_str!("../README.md")]

#[cfg(feature = "alloc")]
pub mod alloc;
pub mod body;
pub mod cold_server;
pub mod conformance;
#[cfg(feature = "load")]
pub mod load;
pub mod model_server;
#[cfg(feature = "servers")]
pub mod servers;
pub mod simulation;
pub mod strict;
mod trigger;

pub use trigger::Trigger;
