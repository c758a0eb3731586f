use std::time::Duration;

use serde::Deserialize;

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Intake {
    pub(crate) max_body_bytes: usize,
    pub(crate) max_memory_bytes: usize,
    pub(super) head_timeout_ms: u64,
    pub(super) body_timeout_ms: u64,
    pub(super) idle_timeout_ms: u64,
}

impl Intake {
    pub(crate) fn head_timeout(&self) -> Duration {
        Duration::from_millis(self.head_timeout_ms)
    }

    pub(crate) fn body_timeout(&self) -> Duration {
        Duration::from_millis(self.body_timeout_ms)
    }

    pub(crate) fn idle_timeout(&self) -> Duration {
        Duration::from_millis(self.idle_timeout_ms)
    }
}

impl Default for Intake {
    fn default() -> Self {
        Self {
            max_body_bytes: 8 << 20,
            max_memory_bytes: 256 << 20,
            head_timeout_ms: 10_000,
            body_timeout_ms: 30_000,
            idle_timeout_ms: 75_000,
        }
    }
}
