//! How the limit is found: plain values that are told what happened and when.
//!
//! A policy has no clock, no lock and no randomness of its own, so that a simulation can run it unmodified.

mod aimd;
mod bounds;
mod fixed;
mod gradient2;
mod littles_law;
mod vegas;

use std::{
    fmt,
    time::{Duration, Instant},
};

pub use aimd::Aimd;
pub use fixed::Fixed;
pub use gradient2::Gradient2;
pub use littles_law::LittlesLaw;
pub use vegas::Vegas;

/// Finds the limit from what it is told.
///
/// Times do not always come in order: two threads may report at once, each with the time it read.
pub trait Policy: fmt::Debug + Send {
    /// The limit now, in exchanges. What is admitted is this rounded down, and at least one.
    fn limit(&self) -> f64;

    /// Something happened.
    fn observe(&mut self, now: Instant, observation: &Observation);

    /// What it believes, for people.
    fn belief(&self) -> Belief;

    /// Goes on from this limit: an operator has set it, or it was found before a restart.
    ///
    /// The policy keeps it within its own bounds.
    fn set_limit(&mut self, limit: f64);

    /// Goes on from what another process had learned.
    fn restore(&mut self, snapshot: &Snapshot) {
        self.set_limit(snapshot.limit);
    }

    /// What is worth keeping over a restart.
    fn snapshot(&self) -> Snapshot {
        Snapshot { limit: self.limit(), ..Snapshot::default() }
    }
}

/// One report to a policy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observation {
    /// Exchanges in flight after this.
    pub in_flight: u32,
    /// Exchanges that left, for whatever reason, since the last report; with the one that this report is about, if
    /// it is over. Under high load not every exchange is reported, but all of them are counted.
    pub departed: u32,
    /// What happened.
    pub event: Event,
}

/// What a report is about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event {
    /// An exchange succeeded so far, and showed how long it had to wait.
    Sample(Sample),
    /// The upstream said, or showed by a timeout, that it has too much to do.
    Overload,
    /// The client left before anything came. That is no sample, but the upstream took at least so long.
    Left {
        /// When the exchange was admitted.
        admitted: Instant,
        /// From then until the client left.
        waited: Duration,
    },
    /// A stream is complete, whose first content was told before: whoever had to wait for that is as fast as others after it.
    Streamed {
        /// From its first content to its end.
        rest: Duration,
    },
    /// An exchange is over that shows nothing, or has shown it before.
    Departure,
}

/// How long an exchange waited, and what it met.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// What was measured.
    pub signal: Signal,
    /// The measured time.
    pub value: Duration,
    /// When the exchange was admitted.
    pub admitted: Instant,
    /// Exchanges in flight at that moment, with this one.
    pub in_flight: u32,
    /// The length of the prompt, in any unit that grows with the work of reading it; if known.
    pub prompt: Option<u32>,
}

/// What a sample measures. Times of different signals are never compared with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// From admission to the first content of a stream: does not depend on how long the answer is.
    FirstToken,
    /// From admission to the first bytes of an answer that comes whole: it was done by then, and how fast the client reads
    /// is no matter. To the head, if there are none.
    Latency {
        /// Tokens that the upstream wrote, if known: what they took is no wait.
        output_tokens: Option<u32>,
    },
}

/// What a policy believes.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Belief {
    /// The time that an exchange takes when it need not wait; `None` while unknown, or if the policy has no use for it.
    pub baseline: Option<Duration>,
    /// Exchanges that wait in the upstream's queue, by the latest estimate.
    pub queue: Option<f64>,
    /// Why the limit is what it is.
    pub reason: Reason,
}

impl Belief {
    /// A belief of a policy that estimates nothing.
    #[must_use]
    pub fn new(reason: Reason) -> Self {
        Self { baseline: None, queue: None, reason }
    }
}

/// Why a policy did what it did last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// Nothing is known yet.
    Start,
    /// An operator, a snapshot, or the configuration says so.
    Set,
    /// Raised: the limit binds and there is no queue.
    Growth,
    /// Kept: the queue is where it should be.
    Balance,
    /// Kept: fewer exchanges than the limit are in flight, so nothing can be learned about it.
    Unused,
    /// Lowered: the upstream's queue is too long.
    Queue,
    /// Lowered: the upstream refuses or times out.
    Overload,
    /// Lowered for a moment, to measure the baseline again.
    Probe,
    /// Raised again: the wait turned out to be the upstream's own time.
    Baseline,
}

/// What a policy has learned, to be kept over a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// The limit, in exchanges.
    pub limit: f64,
    /// The baseline of the time to the first token.
    pub first_token: Option<Duration>,
    /// The baseline of the latency of whole answers.
    pub latency: Option<Duration>,
}
