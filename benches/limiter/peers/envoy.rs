use std::time::{Duration, Instant};

use crate::limit::policy::{Belief, Event, Observation, Policy, Reason};

// From the example in the documentation of the filter: the original has no defaults for these two.
const UPDATE_EVERY: Duration = Duration::from_millis(100);
const PROBE_EVERY: Duration = Duration::from_secs(60);

// The original's defaults.
const PROBE_JITTER: f64 = 0.15;
const PROBE_SAMPLES: usize = 50;
const BUFFER: f64 = 0.25;
/// The limit while the shortest time is measured, and the lowest at all times.
const MIN: u32 = 3;
/// So many windows in a row at the lowest limit, and the shortest time is measured again.
const WINDOWS_AT_MIN: u32 = 5;

/// The gradient controller of Envoy's adaptive concurrency filter (`gradient_controller.cc`).
///
/// What differs: quantiles are exact, where the original has a histogram of two digits; and answers of overload are no
/// samples, where the original takes the time of every answer, so that fast refusals shorten its median.
#[derive(Clone, Debug)]
pub(crate) struct EnvoyGradient {
    limit: u32,
    max: u32,
    phase: Phase,
    /// Samples of exchanges admitted before were under another limit.
    epoch: Option<Instant>,
    /// Microseconds, as the original counts.
    samples: Vec<u64>,
    min_rtt: u64,
    windows_at_min: u32,
    random: u64,
    reason: Reason,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Probe { resume_at: u32 },
    Run { next_update: Instant, next_probe: Instant },
}

impl EnvoyGradient {
    /// Begins with a measurement of the shortest time, as the original does, and goes on from the lowest limit.
    pub(crate) fn new(max: u32, seed: u64) -> Self {
        Self {
            limit: MIN,
            max: max.max(MIN),
            phase: Phase::Probe { resume_at: MIN },
            epoch: None,
            samples: Vec::new(),
            min_rtt: 0,
            windows_at_min: 0,
            random: seed,
            reason: Reason::Start,
        }
    }

    fn run_timers(&mut self, now: Instant) {
        let Phase::Run { next_update, mut next_probe } = self.phase else { return };
        if next_update <= now && next_update <= next_probe {
            self.update();
            if self.windows_at_min >= WINDOWS_AT_MIN {
                next_probe = now;
            }
            // The windows between were empty, and the original passes over those.
            let late = now.saturating_duration_since(next_update).as_nanos() % UPDATE_EVERY.as_nanos();
            let next_update = now + UPDATE_EVERY.saturating_sub(Duration::from_nanos(late as u64));
            self.phase = Phase::Run { next_update, next_probe };
        }
        if next_probe <= now {
            self.phase = Phase::Probe { resume_at: self.limit };
            (self.limit, self.reason) = (MIN, Reason::Probe);
            (self.epoch, self.windows_at_min) = (Some(now), 0);
            self.samples.clear();
        }
    }

    fn sample(&mut self, now: Instant, value: Duration) {
        self.samples.push(value.as_micros() as u64);
        if let Phase::Probe { resume_at } = self.phase
            && self.samples.len() >= PROBE_SAMPLES
        {
            self.min_rtt = self.take_median();
            self.limit = resume_at;
            let jitter = (PROBE_EVERY.as_millis() as f64 * PROBE_JITTER).ceil() as u64;
            let jitter = Duration::from_millis(self.random() % jitter);
            self.phase =
                Phase::Run { next_update: now + UPDATE_EVERY, next_probe: now + PROBE_EVERY + jitter };
        }
    }

    /// Ends a window.
    fn update(&mut self) {
        if self.samples.is_empty() {
            return;
        }
        let sample_rtt = self.take_median();
        let buffered = self.min_rtt as f64 * (1.0 + BUFFER);
        let gradient = (buffered / sample_rtt as f64).clamp(0.5, 2.0);
        let limit = f64::from(self.limit) * gradient;
        let limit = ((limit + limit.sqrt()) as u32).clamp(MIN, self.max);
        self.windows_at_min = if self.limit == MIN && limit == MIN { self.windows_at_min + 1 } else { 0 };
        self.reason = match limit {
            _ if limit > self.limit => Reason::Growth,
            _ if limit < self.limit => Reason::Queue,
            _ => Reason::Balance,
        };
        self.limit = limit;
    }

    /// One at least: it is divided by.
    fn take_median(&mut self) -> u64 {
        let middle = self.samples.len().div_ceil(2).saturating_sub(1);
        let median = *self.samples.select_nth_unstable(middle).1;
        self.samples.clear();
        median.max(1)
    }

    /// SplitMix64.
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl Policy for EnvoyGradient {
    fn limit(&self) -> f64 {
        self.limit.into()
    }

    fn observe(&mut self, now: Instant, observation: &Observation) {
        self.run_timers(now);
        if let Event::Sample(sample) = observation.event
            && self.epoch.is_none_or(|epoch| sample.admitted >= epoch)
        {
            self.sample(now, sample.value);
        }
    }

    fn belief(&self) -> Belief {
        let mut belief = Belief::new(self.reason);
        belief.baseline = (self.min_rtt > 0).then(|| Duration::from_micros(self.min_rtt));
        belief
    }

    fn set_limit(&mut self, limit: f64) {
        (self.limit, self.reason) = ((limit as u32).clamp(MIN, self.max), Reason::Set);
    }
}
