use std::fmt;

use dashpot::{cache_postgres, cache_redis};
use serde::Deserialize;

/// Where the answers are kept; it may hold a password, and is nowhere shown.
#[derive(Clone, Deserialize, PartialEq)]
#[serde(transparent)]
pub(crate) struct StoreUrl(String);

/// What it says.
#[derive(Debug)]
pub(crate) enum Where {
    /// In this process.
    Memory,
    Postgres(Box<cache_postgres::Config>),
    Redis(Box<cache_redis::Config>),
}

const OTHER: &str = "cache.store: must be \"memory\", or begin with postgres:// or redis://";

impl StoreUrl {
    pub(crate) fn is_memory(&self) -> bool {
        self.0 == "memory"
    }

    pub(crate) fn read(&self) -> Result<Where, String> {
        let Some((scheme, _)) = self.0.split_once("://") else {
            return if self.is_memory() { Ok(Where::Memory) } else { Err(OTHER.into()) };
        };
        match scheme {
            // Nothing of what is wrong is repeated: with a character that is not encoded, it may be a part of the password.
            "postgres" | "postgresql" => self.0.parse().map(|server| Where::Postgres(Box::new(server))).map_err(|_| {
                "cache.store: must be as in postgres://user:password@host/database, and with %40 for an @ in the password"
                    .into()
            }),
            "redis" | "rediss" | "valkey" | "valkeys" => {
                self.0.parse().map(|server| Where::Redis(Box::new(server))).map_err(|_| {
                    "cache.store: must be as in redis://user:password@host:port, and with %40 for an @ in the password"
                        .into()
                })
            }
            _ => Err(OTHER.into()),
        }
    }
}

impl Default for StoreUrl {
    fn default() -> Self {
        Self("memory".into())
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.split_once("://").map_or("memory", |(scheme, _)| scheme))
    }
}
