use std::time::Duration;

use super::{Keep, Moment, Policy};

/// Stays warm for the same time after each use: what most servers do.
#[derive(Clone, Copy, Debug)]
pub struct Fixed(Duration);

impl Fixed {
    /// For so long.
    #[must_use]
    pub const fn new(keep: Duration) -> Self {
        Self(keep)
    }
}

impl Policy for Fixed {
    fn idle(&mut self, _: Moment) -> Keep {
        Keep::stay(self.0)
    }

    fn resolution(&self) -> Duration {
        (self.0 / 16).clamp(Duration::from_millis(1), Duration::from_secs(1))
    }
}

/// Is warm from the beginning, and stays so.
#[derive(Clone, Copy, Debug, Default)]
pub struct Always;

impl Policy for Always {
    fn begin(&mut self, _: Moment) -> Keep {
        Keep::FOREVER
    }

    fn idle(&mut self, _: Moment) -> Keep {
        Keep::FOREVER
    }
}

/// Stops as soon as nobody uses it: a cold start for each request that comes alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Never;

impl Policy for Never {
    fn idle(&mut self, _: Moment) -> Keep {
        Keep::NONE
    }

    fn resolution(&self) -> Duration {
        Duration::from_millis(10)
    }
}
