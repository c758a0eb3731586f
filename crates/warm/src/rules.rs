use std::time::Duration;

/// How a start goes, and what happens around it.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// For start, probes and prime together.
    pub(crate) start_timeout: Duration,
    pub(crate) probe_every: Duration,
    pub(crate) retry: Duration,
    pub(crate) max_retry: Duration,
    pub(crate) ramp: Ramp,
    /// How long bodies are waited for before a stop.
    pub(crate) drain: Duration,
    /// Whether it rests asleep, and for how long before it is stopped.
    pub(crate) sleep: Option<Duration>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            start_timeout: Duration::from_secs(10 * 60),
            probe_every: Duration::from_millis(200),
            retry: Duration::from_secs(1),
            max_retry: Duration::from_secs(60),
            ramp: Ramp { window: Duration::from_secs(5), start: 4, target: 32 },
            drain: Duration::from_secs(5 * 60),
            sleep: None,
        }
    }
}

/// How many requests may be in flight after a start: so many at first, growing to so many within the window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ramp {
    pub(crate) window: Duration,
    pub(crate) start: u32,
    pub(crate) target: u32,
}

impl Ramp {
    /// As Envoy's slow start with an aggression of 1: in proportion to the time.
    pub(crate) fn limit(&self, since: Duration) -> u32 {
        let share = since.div_duration_f64(self.window.max(Duration::from_nanos(1))).min(1.0);
        self.start + (f64::from(self.target - self.start) * share) as u32
    }

    /// After how long the limit is more than this.
    pub(crate) fn exceeds(&self, limit: u32) -> Duration {
        let Some(more) = (limit + 1).checked_sub(self.start) else { return Duration::ZERO };
        if limit >= self.target {
            return self.window;
        }
        // A nanosecond for what rounding takes.
        self.window.mul_f64(f64::from(more) / f64::from(self.target - self.start)) + Duration::from_nanos(1)
    }
}

/// No clock has to count further: thirty years.
pub(crate) const AGES: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
/// No start is believed to have worked before it has done so for this long: what is lost earlier counts as failed.
pub(crate) const SETTLED: Duration = Duration::from_secs(10);
/// How long it stays warm after [`warm`](crate::Handle::warm), whatever the policy says.
pub(crate) const ASKED: Duration = Duration::from_secs(60);
/// A probe that takes longer has failed.
pub(crate) const PROBE_TIMEOUT: Duration = Duration::from_secs(30);
/// A stop that takes longer is taken for one.
pub(crate) const STOP_TIMEOUT: Duration = Duration::from_secs(60);
