#![doc = include_str!("../README.md")]

mod config;
mod connection;
mod dial;
mod index;
mod keeper;
mod leases;
mod names;
mod scripts;
mod semantic;
mod store;

pub use config::{Config, ConfigError};
pub use semantic::Semantic;
pub use store::RedisStore;
