use std::net::SocketAddr;

use serde::Deserialize;

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Admin {
    pub(crate) listen: Option<SocketAddr>,
    token_variable: Option<String>,
}

/// What is shorter could be guessed.
const SHORTEST: usize = 16;

impl Admin {
    pub(super) fn check(&self) -> Result<(), String> {
        match (self.listen, &self.token_variable) {
            (Some(address), _) if !address.ip().is_loopback() => Err(format!(
                "admin.listen = {address} must be an address of this machine only, such as 127.0.0.1"
            )),
            (Some(_), None) => Err("admin.token_variable is missing".into()),
            _ => Ok(()),
        }
    }

    /// What an administrator has to show.
    pub(crate) fn token(&self) -> Result<String, String> {
        let name = self.token_variable.as_deref().unwrap_or_default();
        let token = std::env::var(name).ok().filter(|token| token.len() >= SHORTEST);
        token.ok_or_else(|| {
            format!("admin.token_variable: {name} holds no token of {SHORTEST} characters or more")
        })
    }
}
