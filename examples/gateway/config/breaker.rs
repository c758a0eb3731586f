use std::time::Duration;

use serde::Deserialize;

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Breaker {
    pub(crate) consecutive_failures: u32,
    pub(crate) failure_ratio: f64,
    pub(crate) min_calls: u64,
    pub(super) window_ms: u64,
    pub(super) slow_first_token_ms: Option<u64>,
    pub(crate) slow_ratio: f64,
    pub(super) silence_ms: u64,
    pub(super) wait_ms: u64,
    pub(super) max_wait_ms: u64,
    pub(super) ramp_ms: u64,
    pub(crate) max_held: usize,
    pub(super) hold_ms: u64,
    pub(crate) by_credential: bool,
}

impl Breaker {
    pub(super) fn check(&self) -> Result<(), String> {
        for (key, ratio) in [("failure_ratio", self.failure_ratio), ("slow_ratio", self.slow_ratio)] {
            if !(ratio > 0.0 && ratio <= 1.0) {
                return Err(format!("breaker.{key} = {ratio} must be more than 0 and at most 1"));
            }
        }
        let Self { wait_ms, max_wait_ms, window_ms, .. } = self;
        if wait_ms > max_wait_ms {
            return Err(format!(
                "breaker.wait_ms = {wait_ms} must not be more than breaker.max_wait_ms = {max_wait_ms}"
            ));
        }
        if *window_ms > DAY_MS {
            return Err(format!("breaker.window_ms = {window_ms} must not be more than a day, {DAY_MS}"));
        }
        Ok(())
    }

    pub(crate) fn window(&self) -> Duration {
        Duration::from_millis(self.window_ms)
    }

    /// From when on a stream is slow to begin, if that matters.
    pub(crate) fn slow_first_token(&self) -> Option<Duration> {
        self.slow_first_token_ms.map(Duration::from_millis)
    }

    pub(crate) fn silence(&self) -> Duration {
        Duration::from_millis(self.silence_ms)
    }

    pub(crate) fn wait(&self) -> Duration {
        Duration::from_millis(self.wait_ms)
    }

    pub(crate) fn max_wait(&self) -> Duration {
        Duration::from_millis(self.max_wait_ms)
    }

    pub(crate) fn hold(&self) -> Duration {
        Duration::from_millis(self.hold_ms)
    }

    pub(crate) fn ramp(&self) -> Duration {
        Duration::from_millis(self.ramp_ms)
    }
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            consecutive_failures: 5,
            failure_ratio: 0.9,
            min_calls: 20,
            window_ms: 30_000,
            slow_first_token_ms: None,
            slow_ratio: 0.8,
            silence_ms: 30_000,
            wait_ms: 250,
            max_wait_ms: 500,
            ramp_ms: 250,
            max_held: 1000,
            hold_ms: 5000,
            by_credential: false,
        }
    }
}

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
