//! Limits on concurrency under load, on virtual time.
//!
//! A [`Scenario`] says what comes and what has to answer it; [`Scenario::run`] lets it pass for one seed, through one
//! or more [`Controller`]s, and gives a [`Report`]. Requests, with all that they will need, are drawn from the seed
//! alone, so every controller meets the same ones. Nothing waits: an hour takes a second or less.

mod arrivals;
mod controller;
mod live;
mod report;
mod run;
mod scenario;
pub mod scenarios;
mod statistics;
mod timers;
mod upstream;
mod workload;

pub use controller::{Controller, Exchange, Oracle};
pub use report::{Counts, Report, Sample};
pub use scenario::{Batch, Bursts, Kind, Phase, Scenario, Slo};
pub use statistics::{Mean, jain_index, quantile};
pub use workload::{Answers, Mix, Spread};

/// Virtual time, since the beginning.
pub type Nanos = u64;

fn seconds(seconds: f64) -> Nanos {
    (seconds * 1e9) as Nanos
}

fn millis(millis: f64) -> Nanos {
    (millis * 1e6) as Nanos
}
