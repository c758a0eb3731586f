use std::{error::Error, fmt, str::FromStr, sync::Arc, time::Duration};

use rustls::ClientConfig;

use crate::tls;

/// Where the database is, and how it is used. From a URL, or the words that libpq takes:
///
/// ```
/// use std::time::Duration;
///
/// use dashpot_cache_postgres::Config;
///
/// let config: Config = "postgres://cache:secret@db.internal/cache?sslmode=require".parse()?;
/// let config = config.schema("dashpot_eu")?.connections(8).timeout(Duration::from_secs(1));
/// # Ok::<_, dashpot_cache_postgres::ConfigError>(())
/// ```
///
/// A server's certificate is verified with every `sslmode` but `disable`; without one, TLS is used if the server has it.
#[derive(Clone)]
pub struct Config {
    pub(crate) server: tokio_postgres::Config,
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) schema: String,
    pub(crate) connections: usize,
    pub(crate) timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) exact_up_to: u32,
}

impl FromStr for Config {
    type Err = ConfigError;

    fn from_str(url: &str) -> Result<Self, ConfigError> {
        // Certificates are verified anyway, and so is the name.
        let url = url.replace("sslmode=verify-full", "sslmode=require");
        let mut server: tokio_postgres::Config = url.parse().map_err(ConfigError::new)?;
        if server.get_hosts().is_empty() {
            return Err(ConfigError::new("it names no host"));
        }
        if server.get_application_name().is_none() {
            server.application_name("dashpot-cache");
        }
        // Where the other end is gone without a word, the kernel finds out too.
        server.keepalives_idle(Duration::from_secs(30));
        Ok(Self {
            server,
            tls: None,
            schema: "dashpot_cache".into(),
            connections: 4,
            timeout: Duration::from_secs(2),
            connect_timeout: Duration::from_secs(5),
            exact_up_to: 4_000,
        })
    }
}

impl Config {
    /// The schema that the tables are in; it is made if it is not there. Default: `dashpot_cache`.
    ///
    /// # Errors
    ///
    /// If it is not of small letters, digits and underscores, at most 48, and the first not a digit.
    pub fn schema(self, name: &str) -> Result<Self, ConfigError> {
        let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
        let is_name = name.bytes().all(|byte| is_letter(byte) || byte.is_ascii_digit());
        if !is_name || name.len() > 48 || !name.bytes().next().is_some_and(is_letter) {
            return Err(ConfigError::new(format!("{name:?} is no name of a schema")));
        }
        Ok(Self { schema: name.into(), ..self })
    }

    /// How many connections there are. What comes while all are busy waits in the one that has the least to do. Default: 4, for
    /// a database gives each a process.
    ///
    /// # Panics
    ///
    /// With 0.
    #[must_use]
    pub fn connections(self, count: usize) -> Self {
        assert!(count > 0, "a pool has a connection");
        Self { connections: count, ..self }
    }

    /// How long a statement may take, on both ends. A connection that says nothing for so long is given up. Default: 2 s; a
    /// request waits for less, by the cache's [budget](dashpot_cache::CacheLayer::budget).
    #[must_use]
    pub fn timeout(self, time: Duration) -> Self {
        Self { timeout: time, ..self }
    }

    /// How long it may take to connect, with all that comes before the first statement. No request waits for it. Default: 5 s.
    #[must_use]
    pub fn connect_timeout(self, time: Duration) -> Self {
        Self { connect_timeout: time, ..self }
    }

    /// A partition of at most so many entries is searched through, and a larger one by its HNSW index. Default: 4,000, which takes
    /// about as long as the index does and misses nothing (`cargo xtask bench stores`).
    #[must_use]
    pub fn exact_up_to(self, entries: u32) -> Self {
        Self { exact_up_to: entries, ..self }
    }

    /// How TLS is spoken. Default: the certificates that the system trusts.
    #[must_use]
    pub fn tls(self, config: Arc<ClientConfig>) -> Self {
        Self { tls: Some(config), ..self }
    }

    /// Ready to connect with: what every connection is told at its start, and how TLS is spoken.
    pub(crate) fn finished(&self) -> Result<(tokio_postgres::Config, tls::Connect), ConfigError> {
        let mut server = self.server.clone();
        let own = server.get_options().unwrap_or_default();
        // A plan that was made for a small table is kept when it has become large: none is to go through all of it. To
        // compile plans takes longer than to run them.
        let options = format!(
            "{own} -c statement_timeout={} -c enable_seqscan=off -c jit=off -c hnsw.iterative_scan=relaxed_order -c hnsw.ef_search=100",
            self.timeout.as_millis().max(1)
        );
        server.options(options.trim_start()).connect_timeout(self.connect_timeout);
        let tls = match &self.tls {
            Some(tls) => tls.clone(),
            None => tls::system().map_err(ConfigError::new)?,
        };
        Ok((server, tls::Connect::new(tls)))
    }
}

/// Without the password.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("hosts", &self.server.get_hosts())
            .field("schema", &self.schema)
            .field("connections", &self.connections)
            .field("timeout", &self.timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("exact_up_to", &self.exact_up_to)
            .finish_non_exhaustive()
    }
}

/// What is wrong with a [`Config`].
#[derive(Debug)]
pub struct ConfigError(Box<dyn Error + Send + Sync>);

impl ConfigError {
    fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration of the cache's database: {}", self.0)
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
        let config: Config = "postgres://me:secret@db:5433/cache?sslmode=verify-full".parse().unwrap();
        assert_eq!(config.server.get_ports(), [5433]);
        assert!(!format!("{config:?}").contains("secret"), "{config:?}");
        for wrong in ["redis://127.0.0.1", "postgres://", "postgres://db:port", "postgres://db?sslmode=maybe"]
        {
            assert!(wrong.parse::<Config>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_schema_is_a_plain_name() {
        let config: Config = "postgres://db".parse().unwrap();
        assert!(config.clone().schema("cache_2").is_ok());
        for wrong in ["", "2", "a-b", "A", "a;drop", "a\"b", &"a".repeat(49)] {
            assert!(config.clone().schema(wrong).is_err(), "{wrong}");
        }
    }
}
