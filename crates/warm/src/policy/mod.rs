//! How long an upstream that nobody uses stays warm, and when it is warmed before anybody asks.
//!
//! A policy is a value that is told the time: no clock, no task. Each key has one of its own.

mod budget;
mod fixed;
mod histogram;
mod hybrid;
mod keep;
mod recent;
mod schedule;

use std::{
    fmt,
    time::{Duration, Instant},
};

pub use budget::Budget;
pub use fixed::{Always, Fixed, Never};
pub use hybrid::{HybridHistogram, Pattern};
pub use keep::Keep;
pub(crate) use recent::Recent;
pub use schedule::{Schedule, Window};

/// An instant, and what the clock on the wall shows then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The instant, on a clock that never goes back.
    pub at: Instant,
    /// The time since the Unix epoch. Read once, when the layer was made, and counted on from there: a clock that is set
    /// meanwhile changes nothing.
    pub unix: Duration,
}

/// Decides how long an upstream that nobody uses stays warm.
///
/// Idle is who has no request in flight and none that waits; it begins with the end of the last response body. Probes,
/// primes and the policy's own starts are no use, or else it would keep itself warm.
///
/// A policy need not know how long a start takes: what should be warm again by some time is started so much earlier, by what
/// nine of ten recent starts took at the most.
pub trait Policy: fmt::Debug + Send {
    /// Nobody has asked for anything yet, and it is cold.
    fn begin(&mut self, now: Moment) -> Keep {
        let _ = now;
        Keep::NONE
    }

    /// A request has come after it was idle for so long.
    fn arrived(&mut self, idle: Duration, now: Moment) {
        let _ = (idle, now);
    }

    /// It is idle from now on; the wish counts from now.
    fn idle(&mut self, now: Moment) -> Keep;

    /// Its last wish has run out and nobody has come; the new one counts from now.
    fn later(&mut self, now: Moment) -> Keep {
        let _ = now;
        Keep::NONE
    }

    /// How exactly it wants to know when it became idle, while requests come one after the other. Default: a second.
    fn resolution(&self) -> Duration {
        Duration::from_secs(1)
    }
}
