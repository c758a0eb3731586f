use rand::{RngExt, rngs::SmallRng};
use rand_distr::{Distribution as _, StandardNormal};

use super::{Nanos, millis};

/// A quantity that is never negative: log-normal, by its mean and its coefficient of variation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    mean: f64,
    /// Median and sigma of the logarithm.
    median: f64,
    sigma: f64,
}

impl Spread {
    /// With this mean, and a standard deviation of `cv` times the mean.
    #[must_use]
    pub fn new(mean: f64, cv: f64) -> Self {
        let variance = (1.0 + cv * cv).ln();
        Self { mean, median: mean * (-variance / 2.0).exp(), sigma: variance.sqrt() }
    }

    fn sample(self, rng: &mut SmallRng) -> f64 {
        let normal: f64 = StandardNormal.sample(rng);
        if self.sigma == 0.0 { self.mean } else { self.median * (self.sigma * normal).exp() }
    }
}

/// How an answer shows when it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// As a stream: the first token is seen.
    Streamed,
    /// Whole, with the number of its tokens.
    Counted,
    /// Whole, and nothing is known of its length.
    Plain,
}

/// What requests are like. The default of all shares is 0: every request is served, and its client waits.
#[derive(Clone, Debug)]
pub struct Mix {
    /// How answers come.
    pub answers: Answers,
    /// The share that comes whole all the same, with the number of its tokens.
    pub whole: f64,
    /// Milliseconds of own work before the first token, beside the prompt.
    pub first_ms: Spread,
    /// Tokens of the prompt.
    pub prompt: Spread,
    /// Milliseconds of own work for each token of the prompt.
    pub prompt_ms: f64,
    /// Tokens of the answer: a share, and what is drawn for it. The last takes what the shares before it leave.
    pub output: Vec<(f64, Spread)>,
    /// Milliseconds of own work for each token of the answer after the first.
    pub gap_ms: f64,
    /// The share that a cache in front of the upstream answers, in 5 ms.
    pub hits: f64,
    /// The share that fails at once, in less than a millisecond, before it reaches the upstream.
    pub failures: f64,
    /// The share that is answered 503 as quickly, whatever the load.
    pub overloads: f64,
    /// The share whose stream breaks off unnoticed after the first token, and is given up after this many milliseconds.
    pub stuck: (f64, f64),
    /// The share whose client leaves at some time before this many milliseconds.
    pub abandon: (f64, f64),
    /// The share that the upstream prefers.
    pub urgent: f64,
    /// Clients leave if the first token, or the whole answer that is no stream, has not come after this time.
    pub patience_ms: Option<f64>,
    /// How often a client tries again, at once, if it was refused, failed, or lost its patience.
    pub retries: u8,
}

impl Mix {
    /// Answers that come whole after a time with this mean and variation.
    #[must_use]
    pub fn latency(mean_ms: f64, cv: f64) -> Self {
        Self {
            answers: Answers::Plain,
            whole: 0.0,
            first_ms: Spread::new(mean_ms, cv),
            prompt: Spread::new(0.0, 0.0),
            prompt_ms: 0.0,
            output: vec![(1.0, Spread::new(1.0, 0.0))],
            gap_ms: 0.0,
            hits: 0.0,
            failures: 0.0,
            overloads: 0.0,
            stuck: (0.0, 0.0),
            abandon: (0.0, 0.0),
            urgent: 0.0,
            patience_ms: None,
            retries: 0,
        }
    }

    /// Answers of a language model: this share has 1200 tokens, the others 40.
    #[must_use]
    pub fn model(answers: Answers, long: f64) -> Self {
        Self {
            answers,
            first_ms: Spread::new(200.0, 0.2),
            output: vec![(1.0 - long, Spread::new(40.0, 0.2)), (long, Spread::new(1200.0, 0.2))],
            gap_ms: 10.0,
            ..Self::latency(0.0, 0.0)
        }
    }

    /// Draws one request. Always draws as much, so that one share does not change what the others draw.
    pub(super) fn draw(&self, at: Nanos, rng: &mut SmallRng) -> Request {
        let first_ms = self.first_ms.sample(rng);
        let prompt = self.prompt.sample(rng).round();
        let mut chosen: f64 = rng.random();
        let length = self.output.iter().find(|(share, _)| {
            chosen -= share;
            chosen < 0.0
        });
        let (_, length) = length.or(self.output.last()).expect("a mix has an output");
        let output = length.sample(rng).round().max(1.0);
        let [fate, share, moment, urgent, spread]: [f64; 5] = rng.random();
        let fails = self.hits + self.failures;
        let after = millis(0.2 + 0.7 * moment);
        let fate = if fate < self.hits {
            Fate::Hit
        } else if fate < fails {
            Fate::Failure { after, overload: false }
        } else if fate < fails + self.overloads {
            Fate::Failure { after, overload: true }
        } else if fate < fails + self.overloads + self.stuck.0 {
            Fate::Stuck { until: millis(self.stuck.1) }
        } else {
            Fate::Served
        };
        Request {
            at,
            client: rng.random(),
            work: Work {
                first: millis(first_ms + prompt * self.prompt_ms),
                rest: millis((output - 1.0) * self.gap_ms),
                prompt: prompt as u32,
                output: output as u32,
                urgent: urgent < self.urgent,
            },
            fate,
            // The same number says both, as no mix has both: one number more would change what all others draw.
            answers: if urgent < 1.0 - self.whole { self.answers } else { Answers::Counted },
            leaves_after: (share < self.abandon.0).then(|| millis(moment * self.abandon.1)),
            patience: self.patience_ms.map(millis),
            retries: self.retries,
            // At once is not at the same instant.
            retry_after: millis(10.0 * spread),
        }
    }
}

/// What an upstream has to do for one request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    /// Own time to the first token.
    pub(super) first: Nanos,
    /// Own time from there to the end.
    pub(super) rest: Nanos,
    pub(super) prompt: u32,
    pub(super) output: u32,
    pub(super) urgent: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Fate {
    Served,
    Hit,
    Failure { after: Nanos, overload: bool },
    Stuck { until: Nanos },
}

/// One request of a trace.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) at: Nanos,
    /// Chooses the limiter, where there are several.
    pub(super) client: u32,
    pub(super) work: Work,
    pub(super) fate: Fate,
    pub(super) answers: Answers,
    pub(super) leaves_after: Option<Nanos>,
    pub(super) patience: Option<Nanos>,
    pub(super) retries: u8,
    pub(super) retry_after: Nanos,
}

/// How long a cache in front of the upstream takes.
pub(super) const HIT_TIME: Nanos = 5_000_000;

impl Request {
    /// Whether it completes if it need not wait.
    pub(super) fn is_good(&self) -> bool {
        let alone = self.work.first + self.work.rest;
        matches!(self.fate, Fate::Served | Fate::Hit) && self.leaves_after.is_none_or(|leaves| leaves > alone)
    }
}
