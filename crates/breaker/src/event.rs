use std::{fmt, sync::Arc, time::Duration};

/// What a breaker does with requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BreakerState {
    /// All pass, and are counted.
    Closed,
    /// None passes.
    Open,
    /// A few pass, to see whether the upstream is back.
    HalfOpen,
    /// A growing share passes.
    Recovering,
}

impl BreakerState {
    /// In lower case with underscores, as labels of metrics have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
            Self::Recovering => "recovering",
        }
    }
}

/// Why a breaker changed its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// Opened: so many calls failed one after the other.
    Consecutive,
    /// Opened: too large a share of calls failed.
    FailureRatio,
    /// Opened: too large a share of calls was slow.
    SlowRatio,
    /// Opened: the upstream says that an allowance is spent.
    Quota,
    /// Opened: a probe failed.
    Probe,
    /// Opened: somebody who knows said so, in these words.
    Tripped(&'static str),
    /// Half open: the wait is over.
    Waited,
    /// Recovering: enough probes succeeded.
    Probed,
    /// Closed: the recovery is over.
    Recovered,
    /// An operator took over, or gave back.
    Operator,
}

impl Reason {
    /// In lower case with underscores, as labels of metrics have it. Somebody else's words are not among them.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Consecutive => "consecutive",
            Self::FailureRatio => "failure_ratio",
            Self::SlowRatio => "slow_ratio",
            Self::Quota => "quota",
            Self::Probe => "probe",
            Self::Tripped(_) => "tripped",
            Self::Waited => "waited",
            Self::Probed => "probed",
            Self::Recovered => "recovered",
            Self::Operator => "operator",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Consecutive => "consecutive failures",
            Self::FailureRatio => "failure ratio",
            Self::SlowRatio => "slow ratio",
            Self::Quota => "quota",
            Self::Probe => "a probe failed",
            Self::Tripped(reason) => reason,
            Self::Waited => "the wait is over",
            Self::Probed => "the probes succeeded",
            Self::Recovered => "recovered",
            Self::Operator => "an operator",
        })
    }
}

/// A change of a breaker's state.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Transition {
    /// The state before.
    pub from: BreakerState,
    /// The state since.
    pub to: BreakerState,
    /// Why.
    pub reason: Reason,
    /// How often it has opened without a healthy time between; 0 if it has not.
    pub attempt: u32,
    /// How long it stays open.
    pub wait: Option<Duration>,
}

/// How a call counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Call {
    /// The upstream did what it was asked.
    Success,
    /// The same, but it took long to begin.
    Slow,
    /// The upstream failed, had too much to do, or said nothing for too long.
    Failure,
    /// The upstream refused a caller that asks too often.
    RateLimited,
    /// Says nothing about the upstream.
    Ignored,
    /// Says something, but about a state that is over.
    Late,
    /// It was refused.
    NotPermitted,
}

impl Call {
    /// In lower case with underscores, as labels of metrics have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Slow => "slow",
            Self::Failure => "failure",
            Self::RateLimited => "rate_limited",
            Self::Ignored => "ignored",
            Self::Late => "late",
            Self::NotPermitted => "not_permitted",
        }
    }
}

/// Is told what a breaker does. It runs on the path of a request: it must neither block nor panic.
pub trait Observer: Send + Sync {
    /// The state changed. Of two changes that follow each other at once two threads may tell, so the later one first.
    fn on_transition(&self, transition: &Transition) {
        let _ = transition;
    }

    /// It would have opened for this reason, had an operator not said [`metrics_only`](crate::Handle::metrics_only). Told
    /// once in a window.
    fn on_threshold(&self, reason: Reason) {
        let _ = reason;
    }

    /// A call is over, or refused.
    fn on_call(&self, call: Call) {
        let _ = call;
    }
}

impl<O: Observer + ?Sized> Observer for Arc<O> {
    fn on_transition(&self, transition: &Transition) {
        (**self).on_transition(transition);
    }

    fn on_threshold(&self, reason: Reason) {
        (**self).on_threshold(reason);
    }

    fn on_call(&self, call: Call) {
        (**self).on_call(call);
    }
}
