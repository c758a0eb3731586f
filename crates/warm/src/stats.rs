use std::time::Duration;

use crate::WarmState;

/// An upstream at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Where it is between cold and warm.
    pub state: WarmState,
    /// Requests whose answers are not over.
    pub in_flight: u32,
    /// Requests that wait for it.
    pub waiting: u32,
    /// Starts that worked, in all.
    pub starts: u64,
    /// Starts that did not, and those that were lost within seconds.
    pub failed: u64,
    /// How often an answer, or the end of the upstream, has shown that it is not there any more.
    pub lost: u64,
    /// What the latest start took.
    pub last_start: Option<Start>,
    /// What all of them took together.
    pub all_starts: Start,
    /// Requests that found it ready, in all.
    pub passed: u64,
    /// Requests that had to wait, in all.
    pub held: u64,
    /// Requests that were refused at once.
    pub refused: u64,
    /// Requests that waited for too long.
    pub timed_out: u64,
    /// How long it has been ready, in all.
    pub ready: Duration,
    /// How much of that for nothing: pauses of more than the policy's resolution.
    pub idle: Duration,
    /// Starts by the policy after which nobody came until it was stopped.
    pub useless_prewarms: u64,
}

impl Stats {
    /// The share of requests that did not find it ready; 0 if there was none.
    #[must_use]
    pub fn cold_share(&self) -> f64 {
        let cold = self.held + self.refused;
        let all = cold + self.passed;
        if all == 0 { 0.0 } else { cold as f64 / all as f64 }
    }
}

/// What a start took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Start {
    /// Until it was told to start, and that was done.
    pub start: Duration,
    /// Until it said that it is up.
    pub probe: Duration,
    /// Until a first real inference came back.
    pub prime: Duration,
}

impl Start {
    /// All of it.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.start + self.probe + self.prime
    }
}

/// What has been, in all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counters {
    pub(crate) starts: u64,
    pub(crate) failed: u64,
    pub(crate) lost: u64,
    pub(crate) last: Option<Start>,
    pub(crate) all: Start,
    pub(crate) passed: u64,
    pub(crate) held: u64,
    pub(crate) refused: u64,
    pub(crate) timed_out: u64,
    pub(crate) ready: Duration,
    pub(crate) idle: Duration,
    pub(crate) useless: u64,
}

impl Counters {
    pub(crate) fn started(&mut self, start: Start) {
        self.starts += 1;
        self.last = Some(start);
        self.all.start += start.start;
        self.all.probe += start.probe;
        self.all.prime += start.prime;
    }
}
