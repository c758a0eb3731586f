use std::{path::PathBuf, time::Duration};

use serde::Deserialize;

use super::check_state_file;

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limit {
    pub(crate) initial: u32,
    pub(crate) min: u32,
    pub(crate) max: u32,
    pub(crate) max_waiting: usize,
    pub(super) max_wait_ms: u64,
    pub(super) baseline_ms: Option<u64>,
    pub(crate) state_file: Option<PathBuf>,
}

impl Limit {
    pub(super) fn check(&self) -> Result<(), String> {
        let Self { initial, min, max, .. } = self;
        if min > max {
            return Err(format!("limit.min = {min} must not be more than limit.max = {max}"));
        }
        if !(min..=max).contains(&initial) {
            return Err(format!(
                "limit.initial = {initial} must be from limit.min = {min} to limit.max = {max}"
            ));
        }
        check_state_file("limit", self.state_file.as_deref())
    }

    pub(crate) fn max_wait(&self) -> Duration {
        Duration::from_millis(self.max_wait_ms)
    }

    /// The time to the first token without a queue, if it is stated and not learned.
    pub(crate) fn baseline(&self) -> Option<Duration> {
        self.baseline_ms.map(Duration::from_millis)
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self {
            initial: 20,
            min: 1,
            max: 1000,
            max_waiting: 100,
            max_wait_ms: 500,
            baseline_ms: None,
            state_file: None,
        }
    }
}
