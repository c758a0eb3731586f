use std::time::Duration;

use crate::{BreakerState, Transition, word};

/// A breaker at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// What it does with requests.
    pub state: BreakerState,
    /// Whether an operator has taken over.
    pub control: Control,
    /// Calls that succeeded or failed within the window.
    pub calls: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Those of them that were slow.
    pub slow: u64,
    /// How long it stays open from now on.
    pub open_for: Option<Duration>,
    /// Probes whose outcome is awaited.
    pub probes: u8,
    /// How often it has opened without a healthy time between.
    pub attempt: u32,
    /// The latest change of its state.
    pub last: Option<Transition>,
    /// How long answers take to begin, if it has to know.
    pub baseline: Option<Duration>,
    /// Requests that are [held](crate::BreakerLayer::hold).
    pub held: usize,
    /// How often it has opened, in all.
    pub opened: u64,
    /// Calls that were refused, in all.
    pub refused: u64,
    /// Calls whose outcome came when the state they belonged to was over, in all.
    pub late: u64,
}

/// Whether an operator has taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Control {
    /// The breaker decides.
    Automatic,
    /// None passes.
    ForcedOpen,
    /// All pass, and nothing is counted.
    ForcedClosed,
    /// All pass, and are counted; it says when it would have opened.
    MetricsOnly,
}

impl From<word::Control> for Control {
    fn from(control: word::Control) -> Self {
        match control {
            word::Control::Automatic => Self::Automatic,
            word::Control::ForcedOpen => Self::ForcedOpen,
            word::Control::ForcedClosed => Self::ForcedClosed,
            word::Control::MetricsOnly => Self::MetricsOnly,
        }
    }
}
