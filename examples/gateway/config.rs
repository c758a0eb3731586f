//! The configuration: a TOML file, then the environment over it. Nothing unknown is let pass.

use std::{
    ffi::OsString,
    fmt::Display,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use dashpot::sse::{
    self, ModeLayer,
    resume::{Memory, MemoryStore},
};
use http::{
    HeaderName, Uri,
    uri::{Authority, Parts, Scheme},
};
use serde::Deserialize;
use toml::{Table, Value};

/// What stands before each variable's name.
const PREFIX: &str = "DASHPOT_GATEWAY_";

#[derive(Debug, Deserialize)]
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
    pub(crate) upstream: Upstream,
    #[serde(default)]
    pub(crate) intake: Intake,
    #[serde(default)]
    pub(crate) mode: Mode,
    #[serde(default)]
    pub(crate) cache: Cache,
    #[serde(default)]
    pub(crate) deadline: Deadline,
    #[serde(default)]
    pub(crate) limit: Limit,
    #[serde(default)]
    pub(crate) breaker: Breaker,
    #[serde(default)]
    pub(crate) sse: Sse,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Upstream {
    base_url: String,
    #[serde(default = "default_connect_timeout_ms")]
    connect_timeout_ms: u64,
    #[serde(default = "default_max_idle_connections")]
    pub(crate) max_idle_connections: usize,
    #[serde(default)]
    pub(crate) http2_prior_knowledge: bool,
    #[serde(default = "default_http2_connections")]
    pub(crate) http2_connections: usize,
    pub(crate) ca_file: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Intake {
    pub(crate) max_body_bytes: usize,
    pub(crate) max_memory_bytes: usize,
    head_timeout_ms: u64,
    body_timeout_ms: u64,
    idle_timeout_ms: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Mode {
    upstream: Asked,
    unless_said: Answer,
    max_bytes: usize,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Asked {
    AsCaller,
    Stream,
    Whole,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Answer {
    Stream,
    Whole,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Deadline {
    first_content_ms: u64,
    gap_ms: u64,
    total_ms: u64,
    header: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Cache {
    max_bytes: u64,
    ttl_ms: u64,
    stale_while_revalidate_ms: u64,
    stale_if_error_ms: u64,
    pub(crate) max_temperature: f64,
    pub(crate) max_request_bytes: usize,
    pub(crate) max_answer_bytes: usize,
    pub(crate) finish_alone: bool,
    pub(crate) share_without_credential: bool,
    pub(crate) state_file: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limit {
    pub(crate) initial: u32,
    pub(crate) min: u32,
    pub(crate) max: u32,
    pub(crate) max_waiting: usize,
    max_wait_ms: u64,
    baseline_ms: Option<u64>,
    pub(crate) state_file: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Breaker {
    pub(crate) consecutive_failures: u32,
    pub(crate) failure_ratio: f64,
    pub(crate) min_calls: u64,
    window_ms: u64,
    slow_first_token_ms: Option<u64>,
    pub(crate) slow_ratio: f64,
    silence_ms: u64,
    wait_ms: u64,
    max_wait_ms: u64,
    ramp_ms: u64,
    pub(crate) by_credential: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Sse {
    pub(crate) harden_headers: bool,
    heartbeat_ms: u64,
    peek_first_ms: u64,
    resume_grace_ms: u64,
    resume_age_ms: u64,
    resume_stream_bytes: usize,
    resume_max_bytes: usize,
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
        self.upstream.address()?;
        let positive = [
            ("max_connections", self.max_connections as u64),
            ("upstream.connect_timeout_ms", self.upstream.connect_timeout_ms),
            ("upstream.http2_connections", self.upstream.http2_connections as u64),
            ("intake.max_body_bytes", self.intake.max_body_bytes as u64),
            ("intake.max_memory_bytes", self.intake.max_memory_bytes as u64),
            ("intake.head_timeout_ms", self.intake.head_timeout_ms),
            ("intake.body_timeout_ms", self.intake.body_timeout_ms),
            ("intake.idle_timeout_ms", self.intake.idle_timeout_ms),
            ("mode.max_bytes", self.mode.max_bytes as u64),
            ("cache.ttl_ms", self.cache.ttl_ms),
            ("cache.max_request_bytes", self.cache.max_request_bytes as u64),
            ("cache.max_answer_bytes", self.cache.max_answer_bytes as u64),
            ("deadline.first_content_ms", self.deadline.first_content_ms),
            ("deadline.gap_ms", self.deadline.gap_ms),
            ("deadline.total_ms", self.deadline.total_ms),
            ("limit.min", self.limit.min.into()),
            ("limit.max_wait_ms", self.limit.max_wait_ms),
            ("limit.baseline_ms", self.limit.baseline_ms.unwrap_or(1)),
            ("breaker.consecutive_failures", self.breaker.consecutive_failures.into()),
            ("breaker.window_ms", self.breaker.window_ms),
            ("breaker.slow_first_token_ms", self.breaker.slow_first_token_ms.unwrap_or(1)),
            ("breaker.silence_ms", self.breaker.silence_ms),
            ("breaker.wait_ms", self.breaker.wait_ms),
        ];
        if let Some((key, _)) = positive.into_iter().find(|&(_, value)| value == 0) {
            return Err(format!("{key} must be more than 0"));
        }
        if self.cache.max_temperature.is_nan() {
            return Err("cache.max_temperature must be a number".into());
        }
        check_state_file("cache", self.cache.state_file.as_deref())?;
        self.deadline.header()?;
        self.limit.check()?;
        self.breaker.check()?;
        self.sse.check()?;
        Ok(self)
    }

    pub(crate) fn drain_delay(&self) -> Duration {
        Duration::from_millis(self.drain_delay_ms)
    }

    pub(crate) fn drain_timeout(&self) -> Duration {
        Duration::from_millis(self.drain_timeout_ms)
    }
}

impl Upstream {
    /// Scheme, authority, and path without a slash at its end.
    pub(crate) fn address(&self) -> Result<(Scheme, Authority, String), String> {
        // What a person put in by mistake may be a secret, so the address itself is not repeated.
        let wrong = |why: &dyn Display| format!("upstream.base_url: {why}");
        let uri: Uri = self.base_url.parse().map_err(|error| wrong(&error))?;
        if uri.query().is_some() || self.base_url.contains('#') {
            return Err(wrong(&"must have neither a query nor a fragment"));
        }
        let path = uri.path().trim_end_matches('/').to_owned();
        let http = |scheme: &Scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS;
        let Parts { scheme: Some(scheme), authority: Some(authority), .. } = uri.into_parts() else {
            return Err(wrong(&"must begin with http:// or https:// and a host"));
        };
        if !http(&scheme) || authority.host().is_empty() {
            return Err(wrong(&"must begin with http:// or https:// and a host"));
        }
        if authority.as_str().contains('@') {
            return Err(wrong(&"must not hold a name or a password"));
        }
        // A port that is no number from 0 to 65535 would be passed over, and the scheme's own taken.
        let port = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
        if !port.is_empty() && authority.port_u16().is_none() {
            return Err(wrong(&"its port must be a number from 0 to 65535"));
        }
        Ok((scheme, authority, path))
    }

    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }
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

impl Mode {
    pub(crate) fn layer(&self) -> ModeLayer {
        let layer = ModeLayer::new(self.max_bytes).unless_said(match self.unless_said {
            Answer::Stream => sse::Mode::Stream,
            Answer::Whole => sse::Mode::Whole,
        });
        match self.upstream {
            Asked::AsCaller => layer,
            Asked::Stream => layer.upstream(sse::Mode::Stream),
            Asked::Whole => layer.upstream(sse::Mode::Whole),
        }
    }
}

impl Default for Mode {
    fn default() -> Self {
        Self { upstream: Asked::AsCaller, unless_said: Answer::Whole, max_bytes: 8 << 20 }
    }
}

impl Cache {
    /// Room for answers, if there is any.
    pub(crate) fn store(&self) -> Option<dashpot::cache::MemoryStore> {
        (self.max_bytes > 0).then(|| dashpot::cache::MemoryStore::new(self.max_bytes))
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

impl Limit {
    fn check(&self) -> Result<(), String> {
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

impl Breaker {
    fn check(&self) -> Result<(), String> {
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

    pub(crate) fn ramp(&self) -> Duration {
        Duration::from_millis(self.ramp_ms)
    }
}

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

impl Default for Breaker {
    fn default() -> Self {
        Self {
            consecutive_failures: 5,
            failure_ratio: 0.5,
            min_calls: 20,
            window_ms: 30_000,
            slow_first_token_ms: None,
            slow_ratio: 0.8,
            silence_ms: 30_000,
            wait_ms: 1000,
            max_wait_ms: 60_000,
            ramp_ms: 10_000,
            by_credential: false,
        }
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

    fn check(&self) -> Result<(), String> {
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

fn default_listen() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 8080).into()
}

fn default_max_connections() -> usize {
    10_000
}

fn default_drain_timeout_ms() -> u64 {
    30_000
}

fn default_connect_timeout_ms() -> u64 {
    5000
}

fn default_http2_connections() -> usize {
    8
}

fn default_max_idle_connections() -> usize {
    1000
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
    let scalar = match value.parse::<i64>() {
        Ok(number) => Value::Integer(number),
        Err(_) => value.parse::<bool>().map_or(Value::String(value.to_owned()), Value::Boolean),
    };
    table.insert(key.to_owned(), scalar);
    Ok(())
}

fn trimmed(error: toml::de::Error) -> String {
    error.to_string().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = "[upstream]\nbase_url = \"http://127.0.0.1:1/base/\"\n";

    fn parse(text: &str, vars: &[(&str, &str)]) -> Result<Config, String> {
        Config::parse(text, vars.iter().map(|(name, value)| ((*name).into(), (*value).into())))
    }

    fn reason(text: &str, vars: &[(&str, &str)]) -> String {
        parse(text, vars).expect_err("should be refused")
    }

    #[test]
    fn the_file_beside_the_program_states_the_defaults() {
        let stated = parse(include_str!("gateway.toml"), &[]).unwrap();
        let defaults = parse("[upstream]\nbase_url = \"http://127.0.0.1:8000\"", &[]).unwrap();
        assert_eq!(format!("{stated:?}"), format!("{defaults:?}"));
    }

    #[test]
    fn a_variable_overrides_the_file_and_may_bring_what_it_lacks() {
        let vars = [
            ("DASHPOT_GATEWAY_LISTEN", "[::1]:9"),
            ("DASHPOT_GATEWAY_INTAKE__MAX_BODY_BYTES", "7"),
            ("DASHPOT_GATEWAY_SSE__HARDEN_HEADERS", "false"),
            ("HOME", "/root"),
            ("GATEWAY_INTERFACE", "CGI/1.1"),
        ];
        let config = parse(MINIMAL, &vars).unwrap();
        assert_eq!(config.listen, "[::1]:9".parse().unwrap());
        assert_eq!(config.intake.max_body_bytes, 7);
        assert!(!config.sse.harden_headers);
        let (.., path) = config.upstream.address().unwrap();
        assert_eq!(path, "/base");
        parse("", &[("DASHPOT_GATEWAY_UPSTREAM__BASE_URL", "https://example.com")]).unwrap();
    }

    #[test]
    fn variables_of_others_may_be_anything() {
        use std::os::unix::ffi::OsStringExt;
        let odd = || OsString::from_vec(b"\xff".to_vec());
        Config::parse(MINIMAL, [(odd(), odd()), ("X".into(), odd())].into_iter()).unwrap();
        let own = [("DASHPOT_GATEWAY_LISTEN".into(), odd())];
        assert_eq!(
            Config::parse(MINIMAL, own.into_iter()).unwrap_err(),
            "DASHPOT_GATEWAY_LISTEN: is no text"
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        assert!(reason("", &[]).contains("missing field `upstream`"));
        assert!(reason("lisen = 1", &[]).contains("line 1"));
        let typo = format!("{MINIMAL}[intake]\nmax_body = 1\n");
        assert!(
            reason(&typo, &[]).contains("unknown field `max_body`, expected one of"),
            "{}",
            reason(&typo, &[])
        );
        let typo = reason(MINIMAL, &[("DASHPOT_GATEWAY_LISTNE", "x")]);
        assert!(
            typo.contains("with DASHPOT_GATEWAY_LISTNE") && typo.contains("unknown field `listne`"),
            "{typo}"
        );
        assert!(reason(MINIMAL, &[("DASHPOT_GATEWAY_UPSTREAM__BASE_URL__X", "1")]).contains("is no section"));
        let typo = reason(
            "",
            &[("DASHPOT_GATEWAY_UPSTREAM__BASE_URL", "http://x"), ("DASHPOT_GATEWAY_LISTNE", "x")],
        );
        assert!(typo.contains("unknown field `listne`"), "{typo}");
        for (url, why) in [
            ("ftp://x", "must begin with http://"),
            ("http://:80", "must begin with http://"),
            ("http://x/?key=secret", "must have neither a query"),
            ("http://x/#a", "must have neither a query"),
            ("http://user:secret@x", "must not hold a name"),
            ("http://127.0.0.1:99999", "its port must be"),
            ("http://x:y", "upstream.base_url"),
        ] {
            let reason = reason(&format!("[upstream]\nbase_url = \"{url}\""), &[]);
            assert!(reason.contains(why) && !reason.contains("secret"), "{url}: {reason}");
        }
        for url in ["http://x", "https://x:8443/v1/", "http://[::1]:80"] {
            parse(&format!("[upstream]\nbase_url = \"{url}\""), &[]).unwrap();
        }
        let zero = format!("max_connections = 0\n{MINIMAL}");
        assert_eq!(reason(&zero, &[]), "max_connections must be more than 0");
        for (keys, why) in [
            ("min = 0", "limit.min must be more than 0"),
            ("baseline_ms = 0", "limit.baseline_ms must be more than 0"),
            ("min = 5\nmax = 4", "limit.min = 5 must not be more than limit.max = 4"),
            ("max = 10", "limit.initial = 20 must be from limit.min = 1 to limit.max = 10"),
            ("state_file = \"/nowhere/x\"", "limit.state_file = /nowhere/x: is in a directory that does not"),
            ("state_file = \"/\"", "limit.state_file = /: is a directory"),
        ] {
            let reason = reason(&format!("{MINIMAL}[limit]\n{keys}"), &[]);
            assert!(reason.starts_with(why), "{keys}: {reason}");
        }
        parse(&format!("{MINIMAL}[sse]\nresume_max_bytes = 1"), &[]).unwrap();
        for (keys, why) in [
            ("resume_stream_bytes = 1000", "sse.resume_*: stream_bytes must be"),
            ("resume_max_bytes = 1000", "sse.resume_*: max_bytes must be"),
            ("resume_age_ms = 100000000", "sse.resume_*: age and grace must be"),
        ] {
            let reason = reason(&format!("{MINIMAL}[sse]\nresume_grace_ms = 1\n{keys}"), &[]);
            assert!(reason.starts_with(why), "{keys}: {reason}");
        }
    }
}
