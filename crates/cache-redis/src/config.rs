use std::{error::Error, fmt, str::FromStr, sync::Arc, time::Duration};

use redis::{ConnectionInfo, IntoConnectionInfo, ProtocolVersion};
use rustls::ClientConfig;

/// Where the server is, and how it is used. From a URL:
///
/// ```
/// use std::time::Duration;
///
/// use dashpot_cache_redis::Config;
///
/// let config: Config = "rediss://cache:secret@redis.internal:6379/0".parse()?;
/// let config = config.prefix("answers-eu")?.timeout(Duration::from_secs(1));
/// # Ok::<_, dashpot_cache_redis::ConfigError>(())
/// ```
///
/// It begins with `redis://`, `rediss://` for TLS, `redis+unix:///` for a socket, or `valkey` instead of `redis`; a password
/// without a name is `:secret@`. Certificates are verified always.
#[derive(Clone)]
pub struct Config {
    pub(crate) server: ConnectionInfo,
    pub(crate) uses_tls: bool,
    pub(crate) tls: Option<Arc<ClientConfig>>,
    /// The other nodes of a cluster; `None` if it is none.
    #[cfg(feature = "cluster")]
    pub(crate) others: Option<Vec<ConnectionInfo>>,
    pub(crate) prefix: String,
    pub(crate) timeout: Duration,
    pub(crate) connect_timeout: Duration,
}

impl FromStr for Config {
    type Err = ConfigError;

    fn from_str(url: &str) -> Result<Self, ConfigError> {
        let (server, uses_tls) = server(url)?;
        Ok(Self {
            server,
            uses_tls,
            tls: None,
            #[cfg(feature = "cluster")]
            others: None,
            prefix: "dashpot".into(),
            timeout: Duration::from_secs(2),
            connect_timeout: Duration::from_secs(5),
        })
    }
}

impl Config {
    /// What the names of all keys begin with. Caches of one name are one cache. Default: `dashpot`.
    ///
    /// # Errors
    ///
    /// If it is not of 1 to 48 letters, digits, `-`, `_`, `.` and `:`.
    pub fn prefix(self, prefix: &str) -> Result<Self, ConfigError> {
        let is_name = prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte));
        if !is_name || prefix.is_empty() || prefix.len() > 48 {
            return Err(ConfigError::new(format!("{prefix:?} is no prefix of keys")));
        }
        Ok(Self { prefix: prefix.into(), ..self })
    }

    /// How long an answer may take. A connection that says nothing for so long is given up. Default: 2 s; a request waits
    /// for less, by the cache's [budget](dashpot_cache::CacheLayer::budget).
    #[must_use]
    pub fn timeout(self, time: Duration) -> Self {
        Self { timeout: time, ..self }
    }

    /// How long it may take to connect, with all that comes before the first command. No request waits for it. Default: 5 s.
    #[must_use]
    pub fn connect_timeout(self, time: Duration) -> Self {
        Self { connect_timeout: time, ..self }
    }

    /// How TLS is spoken, with `rediss://`. Default: the certificates that the system trusts.
    #[must_use]
    pub fn tls(self, config: Arc<ClientConfig>) -> Self {
        Self { tls: Some(config), ..self }
    }

    /// The server is a node of a cluster, and so are these, by their URLs; the rest is found by asking them. All of a
    /// partition is on one node. In a cluster, what is similar is found by vector sets only.
    ///
    /// # Errors
    ///
    /// If one of them is no URL, or [`tls`](Self::tls) was set: in a cluster, it is always the system that says whom to trust.
    #[cfg(feature = "cluster")]
    pub fn cluster(self, others: &[&str]) -> Result<Self, ConfigError> {
        if self.tls.is_some() {
            return Err(ConfigError::new("a cluster's TLS cannot be set"));
        }
        let others = others.iter().map(|url| Ok(server(url)?.0)).collect::<Result<_, ConfigError>>()?;
        Ok(Self { others: Some(others), ..self })
    }
}

/// What a URL says, and whether with TLS; that is not spoken by the client, which would set it up in its own way.
fn server(url: &str) -> Result<(ConnectionInfo, bool), ConfigError> {
    let tls = [("rediss://", "redis://"), ("valkeys://", "valkey://")];
    let plain = tls.iter().find_map(|(tls, plain)| Some(format!("{plain}{}", url.strip_prefix(tls)?)));
    let uses_tls = plain.is_some();
    let server = plain.as_deref().unwrap_or(url).into_connection_info().map_err(ConfigError::new)?;
    let settings = server.redis_settings().clone().set_protocol(ProtocolVersion::RESP2);
    Ok((server.set_redis_settings(settings), uses_tls))
}

/// Without the password.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("server", &self.server.addr().to_string())
            .field("uses_tls", &self.uses_tls)
            .field("prefix", &self.prefix)
            .field("timeout", &self.timeout)
            .field("connect_timeout", &self.connect_timeout)
            .finish_non_exhaustive()
    }
}

/// What is wrong with a [`Config`].
#[derive(Debug)]
pub struct ConfigError(Box<dyn Error + Send + Sync>);

impl ConfigError {
    pub(crate) fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration of the cache's Redis: {}", self.0)
    }
}

impl Error for ConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_and_its_password_not_shown() {
        for (url, server, uses_tls) in [
            ("rediss://me:secret@cache:7000/2", "cache:7000", true),
            ("valkeys://:secret@cache", "cache:6379", true),
            ("redis://[::1]", "::1:6379", false),
            ("redis+unix:///run/redis.sock", "/run/redis.sock", false),
        ] {
            let config: Config = url.parse().unwrap();
            assert_eq!((&*config.server.addr().to_string(), config.uses_tls), (server, uses_tls), "{url}");
            assert!(!format!("{config:?}").contains("secret"), "{config:?}");
        }
        for wrong in ["postgres://127.0.0.1", "redis://", "redis://cache:port", "redis://cache/db", ""] {
            assert!(wrong.parse::<Config>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_prefix_is_a_plain_name() {
        let config: Config = "redis://cache".parse().unwrap();
        assert!(config.clone().prefix("eu:answers-2").is_ok());
        for wrong in ["", "{a}", "a b", "a*", "ä", &"a".repeat(49)] {
            assert!(config.clone().prefix(wrong).is_err(), "{wrong}");
        }
    }
}
