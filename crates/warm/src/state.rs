use std::fmt;

/// Where an upstream is between cold and warm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WarmState {
    /// It does not run, or nobody knows.
    Cold,
    /// It is told to.
    Starting,
    /// It is asked whether it is up.
    Probing,
    /// It is up, and has a first real inference to do.
    Priming,
    /// It is ready, and gets its load by and by.
    Ramping,
    /// It is ready.
    Warm,
    /// It gets nothing new and finishes what it has; or is being stopped.
    Draining,
    /// It is up but has put its model away, and is soon awake.
    Sleeping,
    /// It could not be started, and is tried again later.
    Failed,
}

impl WarmState {
    /// In lower case, as labels of metrics have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Starting => "starting",
            Self::Probing => "probing",
            Self::Priming => "priming",
            Self::Ramping => "ramping",
            Self::Warm => "warm",
            Self::Draining => "draining",
            Self::Sleeping => "sleeping",
            Self::Failed => "failed",
        }
    }

    /// Whether requests go to the upstream.
    #[must_use]
    pub const fn is_ready(self) -> bool {
        matches!(self, Self::Ramping | Self::Warm)
    }
}

impl fmt::Display for WarmState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
