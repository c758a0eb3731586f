use std::time::Duration;

use dashpot_testkit::model_server::{Config, Distribution};

/// Requests that the model works on at once.
pub(crate) const SLOTS: usize = 32;
/// Arrivals, as a part of what the model can answer.
const LOAD: f64 = 1.5;
const SEED: u64 = 1;

/// Milliseconds and tokens of a hosted model in a chat, as the server's default has them.
const FIRST_MS: (f64, f64) = (300.0, 0.4);
const GAP_MS: (f64, f64) = (20.0, 0.3);
const TOKENS: (f64, f64) = (100.0, 0.9);
const TIME_SCALE: f64 = 0.1;

pub(crate) const SCENARIOS: [Scenario; 3] = [
    Scenario { name: "streams", stream: true, slots: [SLOTS; 3] },
    Scenario { name: "whole", stream: false, slots: [SLOTS; 3] },
    Scenario { name: "step", stream: true, slots: [SLOTS, SLOTS / 2, SLOTS] },
];

pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) stream: bool,
    /// In each third of the time.
    pub(crate) slots: [usize; 3],
}

impl Scenario {
    pub(crate) fn server(&self) -> Config {
        let log_normal = |(median, sigma)| Distribution::LogNormal { median, sigma };
        Config {
            seed: SEED,
            ttft_ms: log_normal(FIRST_MS),
            gap_ms: log_normal(GAP_MS),
            output_tokens: log_normal(TOKENS),
            // Each event costs this machine time that the model would not need.
            tokens_per_event: 4,
            concurrency: Some(self.slots[0]),
            time_scale: TIME_SCALE,
            // Nobody reads it.
            log_capacity: 1,
            ..Config::default()
        }
    }

    /// What the model can answer in that time.
    pub(crate) fn capacity(&self, time: Duration) -> f64 {
        let slots = self.slots.iter().sum::<usize>() as f64 / self.slots.len() as f64;
        slots * time.as_secs_f64() / service_seconds()
    }

    /// When requests come, from the start: a Poisson process.
    pub(crate) fn arrivals(&self, time: Duration) -> Vec<Duration> {
        let mut uniform = uniform(SEED);
        let mean = service_seconds() / (LOAD * self.slots[0] as f64);
        let mut arrivals = Vec::new();
        let mut at = 0.0;
        loop {
            at -= mean * uniform().ln();
            if at >= time.as_secs_f64() {
                return arrivals;
            }
            arrivals.push(Duration::from_secs_f64(at));
        }
    }
}

/// The mean time from one token to the next.
pub(crate) fn gap_seconds() -> f64 {
    mean(GAP_MS) / 1000.0 * TIME_SCALE
}

/// The mean time in a slot: the first token, and a gap before each of the others.
fn service_seconds() -> f64 {
    mean(FIRST_MS) / 1000.0 * TIME_SCALE + (mean(TOKENS) - 1.0) * gap_seconds()
}

/// Of a log-normal.
fn mean((median, sigma): (f64, f64)) -> f64 {
    median * f64::exp(sigma * sigma / 2.0)
}

/// Numbers above 0 and up to 1: SplitMix64 (Steele, Lea and Flood, 2014).
fn uniform(mut state: u64) -> impl FnMut() -> f64 {
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) >> 11) as f64 / (1u64 << 53) as f64 + f64::EPSILON / 2.0
    }
}
