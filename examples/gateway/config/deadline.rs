use std::time::Duration;

use http::HeaderName;
use serde::Deserialize;

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Deadline {
    pub(super) first_content_ms: u64,
    pub(super) gap_ms: u64,
    pub(super) total_ms: u64,
    pub(super) header: Option<String>,
}

impl Deadline {
    pub(crate) fn first_content(&self) -> Duration {
        Duration::from_millis(self.first_content_ms)
    }

    pub(crate) fn gap(&self) -> Duration {
        Duration::from_millis(self.gap_ms)
    }

    pub(crate) fn total(&self) -> Duration {
        Duration::from_millis(self.total_ms)
    }

    /// In which clients may ask for less.
    pub(crate) fn header(&self) -> Result<Option<HeaderName>, String> {
        let Some(name) = &self.header else { return Ok(None) };
        name.parse().map(Some).map_err(|_| format!("deadline.header = {name:?} is no name of a header"))
    }
}

impl Default for Deadline {
    fn default() -> Self {
        Self { first_content_ms: 120_000, gap_ms: 60_000, total_ms: 600_000, header: None }
    }
}
