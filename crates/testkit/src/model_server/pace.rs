use std::time::Duration;

use rand::rngs::SmallRng;
use tokio::time::Instant;

use super::{Config, Distribution, config::millis};

/// The times of one answer. They follow from when it began and not from when it is read, as a model does not wait for
/// a slow reader.
#[derive(Debug)]
pub(super) struct Pace {
    rng: Option<SmallRng>,
    ttft_ms: Distribution,
    gap_ms: Distribution,
    scale: f64,
    pub(super) due: Instant,
    /// The instant that was waited for last.
    pub(super) reached: Instant,
    /// Parts whose time was counted.
    counted: usize,
    started: bool,
}

impl Pace {
    pub(super) fn new(config: &Config, scale: f64, rng: SmallRng) -> Self {
        let rng = (scale > 0.0).then_some(rng);
        Self { rng, ttft_ms: config.ttft_ms, gap_ms: config.gap_ms, scale, ..Self::none() }
    }

    /// Waits for nothing.
    pub(super) fn none() -> Self {
        let now = Instant::now();
        let zero = Distribution::Constant(0.0);
        Self {
            rng: None,
            ttft_ms: zero,
            gap_ms: zero,
            scale: 0.0,
            due: now,
            reached: now,
            counted: 0,
            started: false,
        }
    }

    /// The time of so many tokens, the first token's included.
    pub(super) fn time(&mut self, tokens: usize) -> Duration {
        let Some(rng) = &mut self.rng else { return Duration::ZERO };
        let mut ms = 0.0;
        for _ in 0..tokens {
            let step = if self.started { self.gap_ms } else { self.ttft_ms };
            self.started = true;
            ms += step.sample(rng);
        }
        millis(ms * self.scale)
    }

    /// Counts the time of this part, once; whether it is still to be waited for.
    pub(super) fn pass(&mut self, part: usize, tokens: usize) -> bool {
        if self.counted == part {
            self.counted += 1;
            let time = self.time(tokens);
            self.due += time;
        }
        self.waits().is_some()
    }

    pub(super) fn waits(&self) -> Option<Instant> {
        (self.due > self.reached).then_some(self.due)
    }
}
