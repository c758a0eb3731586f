use std::time::Instant;

/// As [`WarmState`], with what belongs to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Phase {
    Cold,
    Starting(Attempt),
    Probing(Attempt, Instant),
    Priming(Attempt),
    Ramping { since: Instant },
    Warm,
    Draining { since: Instant, rest: Rest },
    Sleeping { since: Instant },
    Failed { since: Instant, until: Instant, is_clean: bool },
}

/// When each part of a start began.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Attempt {
    pub(super) began: Instant,
    pub(super) started: Instant,
    pub(super) probed: Instant,
    pub(super) from_sleep: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    Asleep,
    Cold,
}

/// What is to be done with the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Start,
    Wake,
    Probe,
    Prime,
    Sleep,
    Stop,
}

/// A step that is to be done, or is being done. Another number is another step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) id: u64,
    pub(crate) step: Step,
    pub(super) since: Instant,
}

#[cfg(test)]
impl Due {
    pub(crate) fn since(&self) -> Instant {
        self.since
    }
}

/// Who uses it, and who waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) in_flight: u32,
    pub(crate) waiting: u32,
}

impl Load {
    pub(super) fn is_none(self) -> bool {
        self.in_flight == 0 && self.waiting == 0
    }
}

/// What whoever drives it has to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Next {
    pub(crate) due: Option<Due>,
    /// When to come again, if nothing happens.
    pub(crate) wake_at: Option<Instant>,
    /// Whether the upstream is up, or is believed to be: if it ends, that is news.
    pub(crate) is_up: bool,
    /// It is cold, and nothing is done about it.
    pub(crate) is_resting: bool,
    /// Nothing is to be done until something happens.
    pub(crate) is_over: bool,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It goes on. If `is_exact`, its end is wanted to be known at once.
    Pass { is_exact: bool },
    /// It has to wait.
    Hold,
}
