use std::{fmt::Display, path::PathBuf, time::Duration};

use http::{
    Uri,
    uri::{Authority, Parts, Scheme},
};
use serde::Deserialize;

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Upstream {
    pub(super) base_url: String,
    #[serde(default = "default_connect_timeout_ms")]
    pub(super) connect_timeout_ms: u64,
    #[serde(default = "default_max_idle_connections")]
    pub(crate) max_idle_connections: usize,
    #[serde(default)]
    pub(crate) http2_prior_knowledge: bool,
    #[serde(default = "default_http2_connections")]
    pub(crate) http2_connections: usize,
    pub(crate) ca_file: Option<PathBuf>,
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

fn default_connect_timeout_ms() -> u64 {
    5000
}

fn default_http2_connections() -> usize {
    8
}

fn default_max_idle_connections() -> usize {
    1000
}
