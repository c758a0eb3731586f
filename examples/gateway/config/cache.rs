use std::{path::PathBuf, time::Duration};

use http::Uri;
use serde::Deserialize;

use super::store::StoreUrl;

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Cache {
    pub(crate) store: StoreUrl,
    pub(crate) max_bytes: u64,
    pub(super) budget_ms: u64,
    lease_wait_ms: u64,
    stream_lease_wait_ms: u64,
    pub(super) ttl_ms: u64,
    pub(super) stale_while_revalidate_ms: u64,
    pub(super) stale_if_error_ms: u64,
    pub(crate) max_temperature: f64,
    pub(crate) max_request_bytes: usize,
    pub(crate) max_answer_bytes: usize,
    pace_ms: u64,
    pub(crate) finish_alone: bool,
    pub(crate) share_without_credential: bool,
    pub(crate) state_file: Option<PathBuf>,
    pub(crate) similar: Similar,
}

/// Questions in other words: who says what they mean, and for how long that is waited for.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Similar {
    pub(crate) model: Option<PathBuf>,
    pub(crate) threads: usize,
    url: Option<String>,
    name: Option<String>,
    pub(crate) key_variable: Option<String>,
    pub(crate) max_entries: usize,
    pub(super) budget_ms: u64,
    pub(crate) wrong_at_most: f64,
    pub(crate) explore: f64,
    pub(crate) judge: Judge,
}

/// Who says whether a kept answer would have been right.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Judge {
    SameText,
    SameMeaning,
}

impl Cache {
    pub(super) fn check(&self) -> Result<(), String> {
        self.store.read()?;
        if self.state_file.is_some() && !self.store.is_memory() {
            return Err(
                "cache.state_file: is for the store \"memory\"; others keep their answers by themselves"
                    .into(),
            );
        }
        self.similar.check()
    }

    /// Whether anything is kept.
    pub(crate) fn is_on(&self) -> bool {
        self.max_bytes > 0 || !self.store.is_memory()
    }

    /// Whether what is kept by these rules may be given by others.
    pub(crate) fn keeps_what_there_is(&self, other: &Self) -> bool {
        self.is_on()
            && self.store == other.store
            && self.max_bytes == other.max_bytes
            && self.finish_alone == other.finish_alone
            && self.share_without_credential == other.share_without_credential
            && self.similar == other.similar
    }

    pub(crate) fn budget(&self) -> Duration {
        Duration::from_millis(self.budget_ms)
    }

    pub(crate) fn lease_wait(&self) -> Duration {
        Duration::from_millis(self.lease_wait_ms)
    }

    pub(crate) fn stream_lease_wait(&self) -> Duration {
        Duration::from_millis(self.stream_lease_wait_ms)
    }

    pub(crate) fn ttl(&self) -> Duration {
        Duration::from_millis(self.ttl_ms)
    }

    pub(crate) fn stale_while_revalidate(&self) -> Duration {
        Duration::from_millis(self.stale_while_revalidate_ms)
    }

    pub(crate) fn pace(&self) -> Duration {
        Duration::from_millis(self.pace_ms)
    }

    pub(crate) fn stale_if_error(&self) -> Duration {
        Duration::from_millis(self.stale_if_error_ms)
    }
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            store: StoreUrl::default(),
            max_bytes: 0,
            budget_ms: 50,
            lease_wait_ms: 30_000,
            stream_lease_wait_ms: 30_000,
            ttl_ms: 3_600_000,
            stale_while_revalidate_ms: 0,
            stale_if_error_ms: 0,
            max_temperature: 1.0,
            max_request_bytes: 1 << 20,
            max_answer_bytes: 1 << 20,
            pace_ms: 0,
            finish_alone: false,
            share_without_credential: false,
            state_file: None,
            similar: Similar::default(),
        }
    }
}

impl Similar {
    pub(super) fn check(&self) -> Result<(), String> {
        if self.threads == 0 || self.max_entries == 0 {
            return Err("cache.similar.threads and cache.similar.max_entries must be more than 0".into());
        }
        if !(0.0..1.0).contains(&self.wrong_at_most) {
            return Err("cache.similar.wrong_at_most must be from 0 to 1, without 1".into());
        }
        if !(0.0..=1.0).contains(&self.explore) {
            return Err("cache.similar.explore must be from 0 to 1".into());
        }
        match (&self.model, self.upstream()?) {
            (Some(_), Some(_)) => Err("cache.similar: either model or url says what a question means".into()),
            _ => Ok(()),
        }
    }

    /// Where an embedder is asked over HTTP, and for which model.
    pub(crate) fn upstream(&self) -> Result<Option<(Uri, &str)>, String> {
        let (url, name) = match (&self.url, &self.name) {
            (Some(url), Some(name)) => (url, name),
            (None, None) => return Ok(None),
            _ => return Err("cache.similar: url and name go together".into()),
        };
        // Not repeated: what a person put in by mistake may be a secret.
        let uri: Uri = url.parse().map_err(|error| format!("cache.similar.url: {error}"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err("cache.similar.url: must begin with http:// or https:// and a host".into());
        }
        Ok(Some((uri, name)))
    }

    pub(crate) fn budget(&self) -> Duration {
        Duration::from_millis(self.budget_ms)
    }
}

impl Default for Similar {
    fn default() -> Self {
        Self {
            model: None,
            threads: 1,
            url: None,
            name: None,
            key_variable: None,
            max_entries: 100_000,
            budget_ms: 200,
            wrong_at_most: 0.0,
            explore: 0.05,
            judge: Judge::SameMeaning,
        }
    }
}
