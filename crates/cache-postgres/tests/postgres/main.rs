//! The store on a real PostgreSQL with pgvector. `cargo xtask setup` installs it; what needs no server of its own runs on the
//! one that `DASHPOT_TEST_POSTGRES_URL` names, where there is one.

#![allow(clippy::unwrap_used, reason = "a test")]

mod conformance;
mod entries;
mod faults;
mod leases;
mod nearest;
mod start;
mod support;
