use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::limit::policy::{Belief, Event, Observation, Policy, Reason};

// The original's defaults.
const INITIAL: f64 = 20.0;
const MIN: f64 = 1.0;
const SHORTEST_WINDOW: Duration = Duration::from_secs(1);
const LONGEST_WINDOW: Duration = Duration::from_secs(30);
const ENOUGH: usize = 50;
const QUANTILE: f64 = 0.9;
const RECENT: usize = 5;
const BASELINE: usize = 10;
const WARM_UP: usize = 10;
const CORRELATED: usize = 50;
const MAX_LIMIT_FACTOR: f64 = 5.0;

/// The adaptive limiter of failsafe-go (`adaptivelimiter.go`, and `internal/util` for its averages).
///
/// What differs: the quantile of a window is exact, where the original has a t-digest; correlations are computed from
/// the kept values each time, where the original updates sums. It is without the original's queue and priorities.
#[derive(Clone, Debug)]
pub(crate) struct Failsafe {
    limit: f64,
    max: f64,
    /// Seconds.
    samples: Vec<f64>,
    max_in_flight: u32,
    next_update: Option<Instant>,
    quantiles: VecDeque<f64>,
    recent: Average,
    baseline: Average,
    throughputs: Correlation,
    times: Correlation,
    queue: Option<f64>,
    reason: Reason,
}

impl Failsafe {
    pub(crate) fn new(max: u32) -> Self {
        let max = f64::from(max.max(1));
        Self {
            limit: INITIAL.min(max),
            max,
            samples: Vec::new(),
            max_in_flight: 0,
            next_update: None,
            quantiles: VecDeque::new(),
            recent: Average::new(RECENT),
            baseline: Average::new(BASELINE),
            throughputs: Correlation::default(),
            times: Correlation::default(),
            queue: None,
            reason: Reason::Start,
        }
    }

    fn end_window(&mut self, now: Instant, full: bool) {
        self.samples.sort_unstable_by(f64::total_cmp);
        let quantile = self.median(quantile(&self.samples, QUANTILE));
        let recent = self.recent.add(quantile);
        self.update(recent, full);
        let shortest = Duration::try_from_secs_f64(self.samples[0] * 2.0).unwrap_or(LONGEST_WINDOW);
        self.next_update = Some(now + shortest.clamp(SHORTEST_WINDOW, LONGEST_WINDOW));
        self.samples.clear();
        self.max_in_flight = 0;
    }

    /// Passes values on until it has enough of them.
    fn median(&mut self, value: f64) -> f64 {
        self.quantiles.push_back(value);
        if self.quantiles.len() < RECENT {
            return value;
        }
        let mut sorted: Vec<_> = self.quantiles.iter().copied().collect();
        sorted.sort_unstable_by(f64::total_cmp);
        self.quantiles.pop_front();
        sorted[RECENT / 2]
    }

    fn update(&mut self, recent: f64, full: bool) {
        // The baseline follows what it is compared with.
        let baseline = self.baseline.add(recent);
        let queue = (self.limit * (1.0 - baseline / recent)).ceil();
        let in_flight = f64::from(self.max_in_flight);
        let throughput = self.throughputs.add(in_flight, in_flight / recent);
        let time = self.times.add(in_flight, recent);

        let log = self.limit.log10().floor().max(1.0);
        // Time rises with what is in flight, but throughput hardly does.
        let saturated =
            time.correlation > 0.5 && (throughput.correlation < 0.3 || throughput.variation < 0.2);
        let (mut limit, mut reason) =
            if queue > 6.0 * log || full && (throughput.correlation < 0.0 || saturated) {
                (self.limit - log, Reason::Queue)
            } else if queue < 3.0 * log {
                (self.limit + log, Reason::Growth)
            } else {
                (self.limit, Reason::Balance)
            };
        if limit > in_flight * MAX_LIMIT_FACTOR {
            (limit, reason) = (self.limit - log, Reason::Unused);
        }
        self.limit = limit.clamp(MIN, self.max);
        (self.queue, self.reason) = (Some(queue), reason);
    }
}

impl Policy for Failsafe {
    fn limit(&self) -> f64 {
        self.limit
    }

    fn observe(&mut self, now: Instant, observation: &Observation) {
        if let Event::Sample(sample) = observation.event {
            // A nanosecond at least: it is divided by.
            self.samples.push(sample.value.as_secs_f64().max(1e-9));
            self.max_in_flight = self.max_in_flight.max(sample.in_flight);
        }
        if self.samples.len() >= ENOUGH && self.next_update.is_none_or(|next| now > next) {
            // The original looks before it gives the slot back.
            let in_flight = observation.in_flight.saturating_add(observation.departed);
            self.end_window(now, f64::from(in_flight) >= self.limit.floor());
        }
    }

    fn belief(&self) -> Belief {
        let mut belief = Belief::new(self.reason);
        belief.baseline =
            Duration::try_from_secs_f64(self.baseline.value).ok().filter(|baseline| !baseline.is_zero());
        belief.queue = self.queue;
        belief
    }

    fn set_limit(&mut self, limit: f64) {
        (self.limit, self.reason) = (limit.max(MIN).min(self.max), Reason::Set);
    }
}

/// Interpolated between the middles of the samples, as a t-digest does while each is a centroid of its own.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = (q * sorted.len() as f64 - 0.5).clamp(0.0, sorted.len() as f64 - 1.0);
    let (low, high) = (sorted[at as usize], sorted[at.ceil() as usize]);
    low + (high - low) * at.fract()
}

/// An exponential average that begins as a plain one.
#[derive(Clone, Debug)]
struct Average {
    factor: f64,
    count: usize,
    sum: f64,
    value: f64,
}

impl Average {
    fn new(window: usize) -> Self {
        Self { factor: 2.0 / (window as f64 + 1.0), count: 0, sum: 0.0, value: 0.0 }
    }

    fn add(&mut self, value: f64) -> f64 {
        if self.count < WARM_UP {
            self.count += 1;
            self.sum += value;
            self.value = self.sum / self.count as f64;
        } else {
            self.value = self.value * (1.0 - self.factor) + value * self.factor;
        }
        self.value
    }
}

#[derive(Clone, Debug, Default)]
struct Correlation(VecDeque<(f64, f64)>);

#[derive(Clone, Copy, Debug, Default)]
struct Correlated {
    correlation: f64,
    /// The coefficient of variation of the second values.
    variation: f64,
}

impl Correlation {
    fn add(&mut self, x: f64, y: f64) -> Correlated {
        if self.0.len() == CORRELATED {
            self.0.pop_front();
        }
        self.0.push_back((x, y));
        if self.0.len() < WARM_UP {
            return Correlated::default();
        }
        let mean = |of: fn(&(f64, f64)) -> f64| self.0.iter().map(of).sum::<f64>() / self.0.len() as f64;
        let (mean_x, mean_y) = (mean(|&(x, _)| x), mean(|&(_, y)| y));
        let mut moments = [0.0; 3];
        for (x, y) in &self.0 {
            let (x, y) = (x - mean_x, y - mean_y);
            moments[0] += x * x;
            moments[1] += y * y;
            moments[2] += x * y;
        }
        let [x, y, both] = moments.map(|sum| sum / self.0.len() as f64);
        let (deviation_x, variation) = (x.sqrt(), y.sqrt() / mean_y);
        // What varies by less than a hundredth is not compared; a mean of nothing is not either.
        let varies = deviation_x >= 0.01 * mean_x && variation >= 0.01;
        let correlation = if varies { both / (deviation_x * y.sqrt()) } else { 0.0 };
        Correlated { correlation, variation }
    }
}
