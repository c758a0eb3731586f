use rand::{SeedableRng, rngs::SmallRng};
use rand_distr::{Distribution as _, Exp1};

use super::{Nanos, Scenario, scenario::Truth, seconds, workload::Request};

/// Up to this load little need be refused: by Erlang's formula 1.2 % before 32 slots without a queue, and less with one.
const CALM: f64 = 0.7;

/// The requests of a scenario, one after the other; the same for the same seed, whatever becomes of them.
#[derive(Debug)]
pub(super) struct Arrivals<'s> {
    scenario: &'s Scenario,
    truths: &'s [Truth],
    times: SmallRng,
    works: SmallRng,
    now: Nanos,
    phase: usize,
    high: bool,
    turns_at: Nanos,
    end: Nanos,
    segments: Vec<Segment>,
}

/// A time in which as many requests are to be expected at each moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    from: Nanos,
    phase: usize,
    load: f64,
    requests: u64,
    good: u64,
}

/// What could have been answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ideal {
    pub(super) good: f64,
    pub(super) shed: f64,
}

impl<'s> Arrivals<'s> {
    pub(super) fn new(scenario: &'s Scenario, truths: &'s [Truth], seed: u64) -> Self {
        let mut arrivals = Self {
            scenario,
            truths,
            times: SmallRng::seed_from_u64(seed),
            works: SmallRng::seed_from_u64(seed ^ 0x005e_ed0f_0077_0125),
            now: 0,
            phase: 0,
            high: true,
            turns_at: Nanos::MAX,
            end: seconds(scenario.length_s),
            segments: Vec::new(),
        };
        if scenario.bursts.is_some() {
            arrivals.turn();
        }
        arrivals.begin_segment();
        arrivals
    }

    /// The next request, and whether it comes at a time of low load.
    pub(super) fn next(&mut self) -> (Request, bool) {
        loop {
            let segment = self.segments.last().expect("begun in the constructor");
            let rate = segment.load * self.truths[self.phase].rate;
            let calm = segment.load <= CALM;
            let at = self.now.saturating_add(self.exponential(1.0 / rate));
            let changes_at = self.phase_ends_at().min(self.turns_at);
            if at >= changes_at {
                // The exponential distribution has no memory: what was drawn before the change is of no use after it.
                self.now = changes_at;
                if changes_at == self.turns_at {
                    self.high = !self.high;
                    self.turn();
                }
                if changes_at == self.phase_ends_at() {
                    self.phase += 1;
                }
                self.begin_segment();
                continue;
            }
            self.now = at;
            let request = self.scenario.phases[self.phase].mix.draw(at, &mut self.works);
            if at < self.end {
                let segment = self.segments.last_mut().expect("begun in the constructor");
                segment.requests += 1;
                segment.good += u64::from(request.is_good());
            }
            return (request, calm);
        }
    }

    /// Of what came before the end.
    pub(super) fn ideal(&self) -> Ideal {
        let ends = self.segments.iter().skip(1).map(|next| next.from).chain([self.end]);
        let (mut requests, mut served, mut good) = (0.0, 0.0, 0.0);
        for (segment, end) in self.segments.iter().zip(ends) {
            let length = end.min(self.end).saturating_sub(segment.from) as f64 / 1e9;
            let truth = self.truths[segment.phase];
            requests += segment.requests as f64;
            served += (segment.requests as f64).min(truth.rate * length);
            good += (segment.good as f64).min(truth.good * length);
        }
        Ideal { good, shed: 1.0 - served / requests }
    }

    fn begin_segment(&mut self) {
        let factor =
            self.scenario.bursts.map_or(1.0, |bursts| if self.high { bursts.high.0 } else { bursts.low.0 });
        let load = self.scenario.phases[self.phase].load * factor;
        self.segments.push(Segment { from: self.now, phase: self.phase, load, requests: 0, good: 0 });
    }

    fn turn(&mut self) {
        let Some(bursts) = self.scenario.bursts else { return };
        let mean = if self.high { bursts.high.1 } else { bursts.low.1 };
        self.turns_at = self.now + self.exponential(mean);
    }

    fn phase_ends_at(&self) -> Nanos {
        self.scenario.phases.get(self.phase + 1).map_or(Nanos::MAX, |next| seconds(next.from_s))
    }

    fn exponential(&mut self, mean: f64) -> Nanos {
        let unit: f64 = Exp1.sample(&mut self.times);
        seconds(mean * unit)
    }
}
