//! The store on a real Redis, with vector sets and with RediSearch. `cargo xtask setup` installs both; what needs no server of its
//! own runs on the one that `DASHPOT_TEST_REDIS_URL` names, where there is one.

#![allow(clippy::unwrap_used, reason = "a test")]

#[cfg(feature = "cluster")]
mod cluster;
mod conformance;
mod entries;
mod faults;
mod foreign;
mod leases;
mod nearest;
mod start;
mod support;
