#![doc = include_str!("../README.md")]

mod config;
mod connection;
mod index;
mod leases;
mod pool;
mod schema;
mod statements;
mod store;
mod tls;

pub use config::{Config, ConfigError};
pub use store::PostgresStore;
