use std::time::Duration;

use dashpot::sse::resume::{Memory, MemoryStore};
use serde::Deserialize;

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Sse {
    pub(crate) harden_headers: bool,
    pub(super) heartbeat_ms: u64,
    pub(super) peek_first_ms: u64,
    pub(super) resume_grace_ms: u64,
    pub(super) resume_age_ms: u64,
    pub(super) resume_stream_bytes: usize,
    pub(super) resume_max_bytes: usize,
}

impl Sse {
    /// Zero: none.
    pub(crate) fn heartbeat(&self) -> Duration {
        Duration::from_millis(self.heartbeat_ms)
    }

    /// Zero: heads are not held.
    pub(crate) fn peek_first(&self) -> Duration {
        Duration::from_millis(self.peek_first_ms)
    }

    /// What is kept of streams for who comes back, if anything is.
    pub(crate) fn resume(&self) -> Option<Memory> {
        (self.resume_grace_ms > 0).then_some(Memory {
            stream_bytes: self.resume_stream_bytes,
            age: Duration::from_millis(self.resume_age_ms),
            grace: Duration::from_millis(self.resume_grace_ms),
            max_bytes: self.resume_max_bytes,
        })
    }

    pub(super) fn check(&self) -> Result<(), String> {
        let Some(bounds) = self.resume() else { return Ok(()) };
        MemoryStore::try_new(bounds).map(drop).map_err(|why| format!("sse.resume_*: {why}"))
    }
}

impl Default for Sse {
    fn default() -> Self {
        let Memory { age, stream_bytes, max_bytes, .. } = Memory::default();
        Self {
            harden_headers: true,
            heartbeat_ms: 15_000,
            peek_first_ms: 0,
            resume_grace_ms: 0,
            resume_age_ms: age.as_millis() as u64,
            resume_stream_bytes: stream_bytes,
            resume_max_bytes: max_bytes,
        }
    }
}
