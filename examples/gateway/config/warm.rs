use std::time::Duration;

use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Warm {
    pub(crate) server: Option<Server>,
    pub(super) model: Option<String>,
    pub(crate) command: Vec<String>,
    pub(crate) keep: Keep,
    keep_ms: u64,
    pub(crate) max_waiting: u32,
    max_wait_ms: u64,
    pub(super) start_timeout_ms: u64,
}

/// By what requests the model server is started, asked whether it is up, primed and stopped.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Server {
    Openai,
    Ollama,
    Vllm,
    LlamaSwap,
}

/// How long it stays warm when nobody asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Keep {
    Always,
    Fixed,
    Hybrid,
    Never,
}

impl Warm {
    pub(super) fn check(&self) -> Result<(), String> {
        match (self.server, &self.model) {
            (Some(_), None) => Err("warm.model: the model that warm.server has to load is missing".into()),
            (None, Some(_)) => Err("warm.model: warm.server is missing".into()),
            (None, None) if !self.command.is_empty() => Err("warm.command: warm.server is missing".into()),
            _ => Ok(()),
        }
    }

    /// What it has to load, and how; `None` if it is always there.
    pub(crate) fn server(&self) -> Option<(Server, &str)> {
        self.server.zip(self.model.as_deref())
    }

    pub(crate) fn keep_time(&self) -> Duration {
        Duration::from_millis(self.keep_ms)
    }

    pub(crate) fn max_wait(&self) -> Duration {
        Duration::from_millis(self.max_wait_ms)
    }

    pub(crate) fn start_timeout(&self) -> Duration {
        Duration::from_millis(self.start_timeout_ms)
    }
}

impl Default for Warm {
    fn default() -> Self {
        Self {
            server: None,
            model: None,
            command: Vec::new(),
            keep: Keep::Fixed,
            keep_ms: 600_000,
            max_waiting: 64,
            max_wait_ms: 30_000,
            start_timeout_ms: 600_000,
        }
    }
}
