//! The configuration: a TOML file, then the environment over it. Nothing unknown is let pass.

mod admin;
mod breaker;
mod cache;
mod deadline;
mod intake;
mod limit;
mod mode;
mod site;
mod sse;
mod store;
#[cfg(test)]
mod tests;
mod upstream;
mod warm;

use std::{
    ffi::OsString,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    time::Duration,
};

use serde::Deserialize;
use toml::{Table, Value};

pub(crate) use self::{
    admin::Admin,
    breaker::Breaker,
    cache::{Cache, Judge, Similar},
    deadline::Deadline,
    intake::Intake,
    limit::Limit,
    mode::Mode,
    site::{Other, Site},
    sse::Sse,
    store::Where,
    upstream::Upstream,
    warm::{DAY, Keep, Server, Warm},
};

/// What stands before each variable's name.
const PREFIX: &str = "DASHPOT_GATEWAY_";

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    #[serde(default = "default_listen")]
    pub(crate) listen: SocketAddr,
    #[serde(default = "default_max_connections")]
    pub(crate) max_connections: usize,
    #[serde(default)]
    drain_delay_ms: u64,
    #[serde(default = "default_drain_timeout_ms")]
    drain_timeout_ms: u64,
    #[serde(default = "default_page")]
    pub(crate) page: bool,
    #[serde(default)]
    pub(crate) admin: Admin,
    pub(crate) upstream: Upstream,
    #[serde(default)]
    upstreams: Vec<Other>,
    #[serde(default)]
    pub(crate) intake: Intake,
    #[serde(default)]
    pub(crate) mode: Mode,
    #[serde(default)]
    pub(crate) cache: Cache,
    #[serde(default)]
    pub(crate) deadline: Deadline,
    #[serde(default)]
    pub(crate) warm: Warm,
    #[serde(default)]
    pub(crate) limit: Limit,
    #[serde(default)]
    pub(crate) breaker: Breaker,
    #[serde(default)]
    pub(crate) sse: Sse,
}

impl Config {
    /// Reads `path`, then `vars`; the reason names the place where a value is wrong.
    pub(crate) fn load(
        path: &Path,
        vars: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Self::parse(&text, vars).map_err(|reason| format!("{}: {reason}", path.display()))
    }

    fn parse(text: &str, vars: impl Iterator<Item = (OsString, OsString)>) -> Result<Self, String> {
        let mut table: Table = text.parse().map_err(trimmed)?;
        let mut names = Vec::new();
        for (name, value) in vars {
            // Other variables are nobody's business, and need not even be text.
            let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
            let value = value.to_str().ok_or_else(|| format!("{name}: is no text"))?;
            put(&mut table, &name[PREFIX.len()..].to_lowercase(), value)
                .map_err(|reason| format!("{name}: {reason}"))?;
            names.push(name.to_owned());
        }
        let config: Self = Value::Table(table).try_into().map_err(|error: toml::de::Error| {
            // The text alone still has its lines, so where it has the same fault it can point at one.
            match toml::from_str::<Self>(text) {
                Err(plain) if plain.message() == error.message() => trimmed(plain),
                _ => format!("with {}: {}", names.join(", "), trimmed(error)),
            }
        })?;
        config.check()
    }

    fn check(self) -> Result<Self, String> {
        for (at, other) in self.upstreams.iter().enumerate() {
            other.check(&self.upstreams[..at])?;
        }
        for (name, site) in self.sites() {
            site.check().map_err(|reason| match name {
                Some(name) => format!("upstreams, {name:?}: {reason}"),
                None => reason,
            })?;
        }
        let files: Vec<_> = self.sites().filter_map(|(_, site)| site.limit.state_file).collect();
        if files.iter().enumerate().any(|(at, file)| files[..at].contains(file)) {
            return Err("limit.state_file: two upstreams have the same".into());
        }
        check_positive(&[
            ("max_connections", self.max_connections as u64),
            ("intake.max_body_bytes", self.intake.max_body_bytes as u64),
            ("intake.max_memory_bytes", self.intake.max_memory_bytes as u64),
            ("intake.head_timeout_ms", self.intake.head_timeout_ms),
            ("intake.body_timeout_ms", self.intake.body_timeout_ms),
            ("intake.idle_timeout_ms", self.intake.idle_timeout_ms),
            ("mode.max_bytes", self.mode.max_bytes as u64),
            ("cache.budget_ms", self.cache.budget_ms),
            ("cache.ttl_ms", self.cache.ttl_ms),
            ("cache.max_request_bytes", self.cache.max_request_bytes as u64),
            ("cache.max_answer_bytes", self.cache.max_answer_bytes as u64),
            ("cache.similar.budget_ms", self.cache.similar.budget_ms),
            ("deadline.first_content_ms", self.deadline.first_content_ms),
            ("deadline.gap_ms", self.deadline.gap_ms),
            ("deadline.total_ms", self.deadline.total_ms),
        ])?;
        if self.cache.max_temperature.is_nan() {
            return Err("cache.max_temperature must be a number".into());
        }
        check_state_file("cache", self.cache.state_file.as_deref())?;
        self.admin.check()?;
        self.cache.check()?;
        self.deadline.header()?;
        self.sse.check()?;
        Ok(self)
    }

    /// All upstreams, with their names; first the one without, for all that no other is named for.
    pub(crate) fn sites(&self) -> impl Iterator<Item = (Option<&str>, Site)> {
        let Self { upstream, limit, breaker, warm, .. } = self;
        let (upstream, warm) = (upstream.clone(), warm.clone());
        let first =
            Site { models: Vec::new(), upstream, limit: limit.clone(), breaker: breaker.clone(), warm };
        let others = self.upstreams.iter().map(|other| (Some(&*other.name), other.site(limit, breaker)));
        std::iter::once((None, first)).chain(others)
    }

    /// Whether a process that serves by `before` can serve by this.
    pub(crate) fn check_change_of(&self, before: &Self) -> Result<(), String> {
        let is_fixed = [
            ("listen", self.listen == before.listen),
            ("max_connections", self.max_connections == before.max_connections),
            ("admin", self.admin == before.admin),
        ];
        match is_fixed.into_iter().find(|(_, is_same)| !is_same) {
            Some((key, _)) => Err(format!("{key} cannot change while the gateway runs")),
            None => Ok(()),
        }
    }

    pub(crate) fn drain_delay(&self) -> Duration {
        Duration::from_millis(self.drain_delay_ms)
    }

    pub(crate) fn drain_timeout(&self) -> Duration {
        Duration::from_millis(self.drain_timeout_ms)
    }
}

fn check_positive(values: &[(&str, u64)]) -> Result<(), String> {
    match values.iter().find(|&(_, value)| *value == 0) {
        Some((key, _)) => Err(format!("{key} must be more than 0")),
        None => Ok(()),
    }
}

fn default_listen() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 8080).into()
}

fn default_max_connections() -> usize {
    10_000
}

fn default_page() -> bool {
    true
}

fn default_drain_timeout_ms() -> u64 {
    30_000
}

/// The file may be missing, as at the first start; where it is to be, that would be found out at the last moment.
fn check_state_file(section: &str, path: Option<&Path>) -> Result<(), String> {
    let Some(path) = path else { return Ok(()) };
    let wrong = |why| Err(format!("{section}.state_file = {}: {why}", path.display()));
    if path.is_dir() {
        return wrong("is a directory");
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if folder.is_some_and(|folder| !folder.is_dir()) {
        return wrong("is in a directory that does not exist");
    }
    Ok(())
}

/// Puts a variable's value at `a__b`: as a number or a truth value if it reads as one, else as text.
fn put(table: &mut Table, key: &str, value: &str) -> Result<(), String> {
    let (mut table, mut key) = (table, key);
    while let Some((section, rest)) = key.split_once("__") {
        let inner = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
        table = inner.as_table_mut().ok_or_else(|| format!("\"{section}\" is no section"))?;
        key = rest;
    }
    // A number with a point; what Rust takes for one beside that, such as `inf`, may be a name.
    let float = || value.parse().ok().filter(|_| value.contains('.')).map(Value::Float);
    let integer = value.parse().map(Value::Integer).ok();
    let scalar = integer.or_else(float).or_else(|| value.parse().map(Value::Boolean).ok());
    let scalar = scalar.unwrap_or_else(|| Value::String(value.to_owned()));
    table.insert(key.to_owned(), scalar);
    Ok(())
}

/// What is wrong, and where, but of the line itself only the key, and nothing that a URL in the message has before its host: all
/// else may be a password.
fn trimmed(error: toml::de::Error) -> String {
    let text = error.to_string();
    let source = |line: &str| {
        let after = line.trim_start_matches(|char: char| char.is_ascii_digit() || char == ' ');
        after.strip_prefix('|').map(str::to_owned)
    };
    let key =
        text.lines().filter_map(source).find_map(|line| Some(line.split_once('=')?.0.trim().to_owned()));
    let lines = text.trim_end().lines().filter(|line| source(line).is_none()).map(str::to_owned);
    let mut told = lines.chain(key.map(|key| format!("in {key}"))).collect::<Vec<_>>().join(": ");
    let mut from = 0;
    while let Some(start) = told[from..].find("://").map(|at| from + at + 3) {
        let end = told[start..].find([' ', '"', '\'', '`']).map_or(told.len(), |len| start + len);
        if let Some(at) = told[start..end].rfind('@') {
            told.replace_range(start..start + at, "…");
        }
        from = start;
    }
    told
}
