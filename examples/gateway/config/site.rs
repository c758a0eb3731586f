use serde::Deserialize;
use toml::{Table, Value};

use super::{Breaker, Limit, Upstream, Warm};

/// An upstream, the models it is named for, and the bounds around it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Site {
    pub(crate) models: Vec<String>,
    pub(crate) upstream: Upstream,
    pub(crate) limit: Limit,
    pub(crate) breaker: Breaker,
    pub(crate) warm: Warm,
}

/// One more upstream: the keys of `upstream`, its name and models, and sections of its own where it differs.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(try_from = "Table")]
pub(crate) struct Other {
    pub(crate) name: String,
    models: Vec<String>,
    upstream: Upstream,
    limit: Option<Limit>,
    breaker: Option<Breaker>,
    warm: Warm,
}

impl TryFrom<Table> for Other {
    type Error = String;

    fn try_from(mut table: Table) -> Result<Self, String> {
        let name: String = take(&mut table, "name")?.ok_or("upstreams: one has no name")?;
        let of = |error: String| format!("upstreams, {name:?}: {error}");
        let models = take(&mut table, "models").and_then(|models| models.ok_or("models is missing".into()));
        Ok(Self {
            models: models.map_err(of)?,
            limit: take(&mut table, "limit").map_err(of)?,
            breaker: take(&mut table, "breaker").map_err(of)?,
            warm: take(&mut table, "warm").map_err(of)?.unwrap_or_default(),
            upstream: Value::Table(table)
                .try_into()
                .map_err(|error: toml::de::Error| of(super::trimmed(error)))?,
            name,
        })
    }
}

fn take<T: for<'de> Deserialize<'de>>(table: &mut Table, key: &str) -> Result<Option<T>, String> {
    let value = table.remove(key).map(T::deserialize).transpose();
    value.map_err(|error| format!("{key}: {}", super::trimmed(error)))
}

impl Other {
    /// With what the file says for all, where it does not say otherwise. What is learned of an upstream is its own.
    pub(super) fn site(&self, limit: &Limit, breaker: &Breaker) -> Site {
        Site {
            models: self.models.clone(),
            upstream: self.upstream.clone(),
            limit: self.limit.clone().unwrap_or_else(|| Limit { state_file: None, ..limit.clone() }),
            breaker: self.breaker.clone().unwrap_or_else(|| breaker.clone()),
            warm: self.warm.clone(),
        }
    }

    pub(super) fn check(&self, before: &[Self]) -> Result<(), String> {
        let name = &self.name;
        let wrong = |why: &str| Err(format!("upstreams, {name:?}: {why}"));
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty() || name.len() > 64 || !name.bytes().all(is_plain) || name == "default" {
            return wrong(
                "a name has up to 64 letters, digits, dots, hyphens and underscores, and is not \"default\"",
            );
        }
        if before.iter().any(|other| other.name == *name) {
            return wrong("another has that name");
        }
        if self.models.is_empty() || self.models.iter().any(String::is_empty) {
            return wrong("it needs models, each with a name");
        }
        Ok(())
    }
}

impl Site {
    /// What is wrong with it, with the names of its keys.
    pub(super) fn check(&self) -> Result<(), String> {
        self.upstream.address()?;
        let positive = [
            ("upstream.connect_timeout_ms", self.upstream.connect_timeout_ms),
            ("upstream.http2_connections", self.upstream.http2_connections as u64),
            ("warm.start_timeout_ms", self.warm.start_timeout_ms),
            ("limit.min", self.limit.min.into()),
            ("limit.max_wait_ms", self.limit.max_wait_ms),
            ("limit.baseline_ms", self.limit.baseline_ms.unwrap_or(1)),
            ("breaker.consecutive_failures", self.breaker.consecutive_failures.into()),
            ("breaker.window_ms", self.breaker.window_ms),
            ("breaker.slow_first_token_ms", self.breaker.slow_first_token_ms.unwrap_or(1)),
            ("breaker.silence_ms", self.breaker.silence_ms),
            ("breaker.wait_ms", self.breaker.wait_ms),
        ];
        super::check_positive(&positive)?;
        self.warm.check()?;
        self.limit.check()?;
        self.breaker.check()
    }
}
