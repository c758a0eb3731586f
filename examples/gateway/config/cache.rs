use std::{path::PathBuf, time::Duration};

use dashpot::cache::MemoryStore;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Cache {
    pub(super) max_bytes: u64,
    pub(super) ttl_ms: u64,
    pub(super) stale_while_revalidate_ms: u64,
    pub(super) stale_if_error_ms: u64,
    pub(crate) max_temperature: f64,
    pub(crate) max_request_bytes: usize,
    pub(crate) max_answer_bytes: usize,
    pub(crate) finish_alone: bool,
    pub(crate) share_without_credential: bool,
    pub(crate) state_file: Option<PathBuf>,
}

impl Cache {
    /// Room for answers, if there is any.
    pub(crate) fn store(&self) -> Option<MemoryStore> {
        (self.max_bytes > 0).then(|| MemoryStore::new(self.max_bytes))
    }

    pub(crate) fn ttl(&self) -> Duration {
        Duration::from_millis(self.ttl_ms)
    }

    pub(crate) fn stale_while_revalidate(&self) -> Duration {
        Duration::from_millis(self.stale_while_revalidate_ms)
    }

    pub(crate) fn stale_if_error(&self) -> Duration {
        Duration::from_millis(self.stale_if_error_ms)
    }
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            max_bytes: 0,
            ttl_ms: 3_600_000,
            stale_while_revalidate_ms: 0,
            stale_if_error_ms: 0,
            max_temperature: 1.0,
            max_request_bytes: 1 << 20,
            max_answer_bytes: 1 << 20,
            finish_alone: false,
            share_without_credential: false,
            state_file: None,
        }
    }
}
