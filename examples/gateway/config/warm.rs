use std::time::Duration;

use serde::Deserialize;

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Warm {
    server: Option<Server>,
    model: Option<String>,
    pub(crate) models: Vec<String>,
    pub(crate) command: Vec<String>,
    pub(crate) keep: Keep,
    keep_ms: u64,
    budget_ms: Option<u64>,
    pub(crate) max_waiting: u32,
    max_wait_ms: u64,
    pub(super) start_timeout_ms: u64,
    retry_ms: u64,
    max_retry_ms: u64,
    ramp_ms: u64,
    pub(crate) ramp_from: u32,
    pub(crate) ramp_to: u32,
}

/// By what requests the model server is started, asked whether it is up, primed and stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
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

/// What budgets are counted within.
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Warm {
    pub(super) fn check(&self) -> Result<(), String> {
        match (self.server, &self.model) {
            (Some(_), None) if self.models.is_empty() => {
                return Err("warm.model: the model that warm.server has to load is missing".into());
            }
            (None, Some(_)) => return Err("warm.model: warm.server is missing".into()),
            (None, None) if !self.command.is_empty() => {
                return Err("warm.command: warm.server is missing".into());
            }
            _ => {}
        }
        if self.retry_ms == 0 || self.retry_ms > self.max_retry_ms {
            return Err("warm.retry_ms must be more than 0 and at most warm.max_retry_ms".into());
        }
        if self.ramp_from == 0 || self.ramp_from > self.ramp_to {
            return Err("warm.ramp_from must be more than 0 and at most warm.ramp_to".into());
        }
        self.check_models()?;
        self.check_budget()
    }

    fn check_models(&self) -> Result<(), String> {
        let wrong = |why: &str| Err(format!("warm.models: {why}"));
        for (i, name) in self.models.iter().enumerate() {
            if name.is_empty() || name.len() > 256 {
                return wrong("a name has from 1 to 256 bytes");
            }
            if self.models[..i].contains(name) {
                return wrong(&format!("{name:?} is there twice"));
            }
        }
        match self.server {
            _ if self.models.is_empty() => Ok(()),
            None => wrong("warm.server is missing"),
            _ if self.model.is_some() => wrong("warm.model says it already; one of the two has to go"),
            _ if !self.command.is_empty() => {
                wrong("a command starts one model; a server of several runs already")
            }
            Some(Server::Vllm) => wrong("vllm loads one model; say warm.model"),
            Some(_) => Ok(()),
        }
    }

    fn check_budget(&self) -> Result<(), String> {
        let wrong = |why: &str| Err(format!("warm.budget_ms {why}"));
        match self.budget() {
            None => Ok(()),
            Some(_) if self.server.is_none() => wrong("is of no use: warm.server is missing"),
            Some(_) if self.keep == Keep::Always => wrong("is against keep = \"always\""),
            Some(budget) if budget.is_zero() || budget > DAY => {
                wrong(&format!("must be from 1 to {}, which is a day", DAY.as_millis()))
            }
            Some(_) => Ok(()),
        }
    }

    /// How its models are started, if they are not always there.
    pub(crate) fn server(&self) -> Option<Server> {
        self.server
    }

    /// The model that all requests wait for, if there is one.
    pub(crate) fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// How long it may be warm for nothing within a [`DAY`].
    pub(crate) fn budget(&self) -> Option<Duration> {
        self.budget_ms.map(Duration::from_millis)
    }

    pub(crate) fn keep_time(&self) -> Duration {
        Duration::from_millis(self.keep_ms)
    }

    pub(crate) fn max_wait(&self) -> Duration {
        Duration::from_millis(self.max_wait_ms)
    }

    /// How much later a start that failed is tried again: at first, and at most.
    pub(crate) fn retry(&self) -> (Duration, Duration) {
        (Duration::from_millis(self.retry_ms), Duration::from_millis(self.max_retry_ms))
    }

    pub(crate) fn ramp(&self) -> Duration {
        Duration::from_millis(self.ramp_ms)
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
            models: Vec::new(),
            command: Vec::new(),
            keep: Keep::Fixed,
            keep_ms: 600_000,
            budget_ms: None,
            max_waiting: 64,
            max_wait_ms: 30_000,
            start_timeout_ms: 600_000,
            retry_ms: 200,
            max_retry_ms: 1000,
            ramp_ms: 1000,
            ramp_from: 8,
            ramp_to: 64,
        }
    }
}
