use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use rand::{RngExt, rngs::SmallRng};
use rand_distr::{Distribution as _, Exp1, StandardNormal};

use super::FaultRule;

/// What a [`ModelServer`](super::ModelServer) simulates.
///
/// Lengths and times of the default are meant to look like a hosted model in a chat, not to be any particular one.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen. Default: a free port of 127.0.0.1.
    pub listen: SocketAddr,
    /// Where all randomness comes from. Default: 0.
    pub seed: u64,
    /// Milliseconds from admission to the first token. Default: log-normal, median 300, sigma 0.4, which is our guess
    /// and stands on no measurement.
    pub ttft_ms: Distribution,
    /// Milliseconds from one token to the next. Default: log-normal, median 20 (50 tokens a second), sigma 0.3, which
    /// is our guess and stands on no measurement.
    pub gap_ms: Distribution,
    /// Tokens of an answer, before the request's own limit. Default: log-normal, median 100, sigma 0.9: fitted by eye
    /// to one minute of the conversations in Azure's public trace of 2023 (`AzureLLMInferenceTrace_conv.csv`), where
    /// lengths gather around 80 and 400; one log-normal smooths that over.
    pub output_tokens: Distribution,
    /// Tokens in one event of a stream, at least 1. Default: 1.
    pub tokens_per_event: u32,
    /// How many requests are worked on at once; more wait in the order of their arrival. Default: no limit.
    pub concurrency: Option<usize>,
    /// How many requests may wait; more are answered 503. Default: no limit.
    pub queue: Option<usize>,
    /// Default: the model is always loaded.
    pub cold_start: Option<ColdStart>,
    /// Multiplies the three times above and the load time; 0 waits for nothing. Times of faults stay as they are.
    /// Default: 1.
    pub time_scale: f64,
    /// What goes wrong unasked, until it is changed at run time. Default: nothing.
    pub faults: Vec<FaultRule>,
    /// What `GET /v1/models` lists. Requests may name any model.
    pub models: Vec<String>,
    /// The longest request body in bytes; a longer one is answered 413. Default: 16 MiB.
    pub max_body: usize,
    /// How many exchanges the log keeps, the newest. Default: 10,000.
    pub log_capacity: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            seed: 0,
            ttft_ms: Distribution::LogNormal { median: 300.0, sigma: 0.4 },
            gap_ms: Distribution::LogNormal { median: 20.0, sigma: 0.3 },
            output_tokens: Distribution::LogNormal { median: 100.0, sigma: 0.9 },
            tokens_per_event: 1,
            concurrency: None,
            queue: None,
            cold_start: None,
            time_scale: 1.0,
            faults: Vec::new(),
            models: ["dashpot-small", "dashpot-large", "dashpot-embed"].map(String::from).into(),
            max_body: 16 << 20,
            log_capacity: 10_000,
        }
    }
}

impl Config {
    /// The default without its waiting: every event goes out as fast as it is read.
    #[must_use]
    pub fn instant() -> Self {
        Self { time_scale: 0.0, ..Self::default() }
    }

    pub(super) fn check(&self) -> io::Result<()> {
        let refuse = |what: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        for (name, distribution) in
            [("ttft_ms", self.ttft_ms), ("gap_ms", self.gap_ms), ("output_tokens", self.output_tokens)]
        {
            if !distribution.is_valid() {
                return refuse(&format!("{name}: {distribution:?} has a negative or infinite parameter"));
            }
        }
        if !(self.time_scale.is_finite() && self.time_scale >= 0.0) {
            return refuse("time_scale: must be finite and not negative");
        }
        if self.tokens_per_event == 0 {
            return refuse("tokens_per_event: must be at least 1");
        }
        if self.concurrency == Some(0) {
            return refuse("concurrency: must be at least 1");
        }
        if self.faults.iter().any(|rule| !(0.0..=1.0).contains(&rule.rate)) {
            return refuse("faults: a rate is from 0 to 1");
        }
        Ok(())
    }
}

/// `ms` milliseconds, at most what any clock can still count from now.
pub(super) fn millis(ms: f64) -> Duration {
    const MOST: Duration = Duration::from_secs(u32::MAX as u64);
    Duration::try_from_secs_f64(ms / 1000.0).unwrap_or(MOST).min(MOST)
}

/// A model that must be loaded before it answers.
#[derive(Clone, Copy, Debug)]
pub struct ColdStart {
    /// How long loading takes. It begins with the first request.
    pub load: Duration,
    /// The model is unloaded when nothing was in flight for so long; `None`: never.
    pub idle: Option<Duration>,
    /// Whether requests meanwhile are answered 503 (`true`) or wait (`false`).
    pub reject: bool,
}

/// How a quantity varies. Never below zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Distribution {
    /// Always the same.
    Constant(f64),
    /// A log-normal: `median * exp(sigma * N(0, 1))`.
    LogNormal {
        /// Half of all values lie below.
        median: f64,
        /// Standard deviation of the logarithm.
        sigma: f64,
    },
    /// An exponential with this mean.
    Exponential {
        /// The mean.
        mean: f64,
    },
    /// Evenly from `low` to `high`.
    Uniform {
        /// The least.
        low: f64,
        /// The most.
        high: f64,
    },
}

impl Distribution {
    pub(super) fn sample(self, rng: &mut SmallRng) -> f64 {
        match self {
            Self::Constant(value) => value,
            Self::LogNormal { median, sigma } => {
                let normal: f64 = StandardNormal.sample(rng);
                median * (sigma * normal).exp()
            }
            Self::Exponential { mean } => {
                let unit: f64 = Exp1.sample(rng);
                mean * unit
            }
            Self::Uniform { low, high } => low + (high - low) * rng.random::<f64>(),
        }
    }

    fn is_valid(self) -> bool {
        let fine = |value: f64| value.is_finite() && value >= 0.0;
        match self {
            Self::Constant(value) | Self::Exponential { mean: value } => fine(value),
            Self::LogNormal { median, sigma } => fine(median) && fine(sigma),
            Self::Uniform { low, high } => fine(low) && fine(high) && low <= high,
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn median(distribution: Distribution) -> f64 {
        let mut rng = SmallRng::seed_from_u64(7);
        let mut samples: Vec<f64> = (0..10_001).map(|_| distribution.sample(&mut rng)).collect();
        samples.sort_by(f64::total_cmp);
        samples[5000]
    }

    #[test]
    fn samples_have_the_median_that_their_distribution_states() {
        for (distribution, expected) in [
            (Distribution::Constant(3.0), 3.0),
            (Distribution::LogNormal { median: 100.0, sigma: 0.9 }, 100.0),
            (Distribution::Exponential { mean: 10.0 }, 10.0 * 2_f64.ln()),
            (Distribution::Uniform { low: 2.0, high: 4.0 }, 3.0),
        ] {
            let median = median(distribution);
            assert!((median / expected - 1.0).abs() < 0.05, "{distribution:?}: {median}");
        }
    }

    #[test]
    fn nonsense_is_refused_with_the_name_of_the_field() {
        let base = Config::instant;
        for (config, name) in [
            (Config { ttft_ms: Distribution::Constant(f64::NAN), ..base() }, "ttft_ms"),
            (Config { gap_ms: Distribution::Uniform { low: 2.0, high: 1.0 }, ..base() }, "gap_ms"),
            (Config { time_scale: -1.0, ..base() }, "time_scale"),
            (Config { tokens_per_event: 0, ..base() }, "tokens_per_event"),
            (Config { concurrency: Some(0), ..base() }, "concurrency"),
        ] {
            assert!(config.check().unwrap_err().to_string().starts_with(name), "{name}");
        }
        base().check().unwrap();
    }
}
