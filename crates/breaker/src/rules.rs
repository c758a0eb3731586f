use std::time::Duration;

/// When the breaker opens, for how long, and how it comes back.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) consecutive: u32,
    pub(crate) failure_ratio: f64,
    pub(crate) min_calls: u64,
    pub(crate) window: Duration,
    pub(crate) slow: Option<Slow>,
    pub(crate) slow_ratio: f64,
    pub(crate) wait: Duration,
    pub(crate) max_wait: Duration,
    pub(crate) quota_wait: Option<Duration>,
    pub(crate) probes: u8,
    pub(crate) successes: u8,
    pub(crate) ramp: Duration,
    pub(crate) silence: Duration,
    pub(crate) hold: Option<Hold>,
}

/// How many may wait until it is known whether the upstream is back, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hold {
    pub(crate) max_waiting: usize,
    pub(crate) max_wait: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            consecutive: 5,
            failure_ratio: 0.5,
            min_calls: 20,
            window: Duration::from_secs(30),
            slow: None,
            slow_ratio: 0.8,
            wait: Duration::from_millis(250),
            max_wait: Duration::from_secs(5),
            quota_wait: Some(Duration::from_secs(60)),
            probes: 4,
            successes: 1,
            ramp: Duration::from_secs(10),
            silence: Duration::from_secs(30),
            hold: None,
        }
    }
}

/// From when on an answer counts as slow: by the time to its first content, or to its first byte if it comes whole.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Slow {
    /// It took longer than this.
    Than(Duration),
    /// It took longer than so many times what answers that succeeded and were not slow took on average.
    ///
    /// The first 20 answers only make the average, over about the last 100. An upstream that becomes slow by and by takes
    /// its average along; one that does so at once, for probes as well, after a few of them.
    TimesBaseline(f64),
}
