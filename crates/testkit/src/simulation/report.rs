use super::{
    Nanos, Scenario, arrivals::Ideal, jain_index, quantile, run::TICK, scenario::Truth, seconds,
    workload::Request,
};

/// What one run showed. What does not apply is not a number; what never happened is infinite.
#[derive(Clone, Debug)]
pub struct Report {
    /// Good answers, as a share of those that the upstream could have given or, if fewer, of those asked for.
    pub goodput: f64,
    /// Half of the exchanges waited no longer in the upstream, in seconds.
    pub wait_p50: f64,
    /// 99 of 100 waited no longer.
    pub wait_p99: f64,
    /// Requests that were refused at their first attempt, as a share of all.
    pub shed: f64,
    /// The least share of requests that has to be refused.
    pub ideal_shed: f64,
    /// Refused at first while the load was at most 0.7, as a share of the requests of that time.
    pub false_shed: f64,
    /// Seconds until the limit, smoothed over 5 s of the same phase, is between 0.7 and 1.5 times the true one and stays there; the
    /// longest of all phases in which more comes than can be served.
    pub convergence: f64,
    /// Mean limit over the true one.
    pub limit_ratio: f64,
    /// The same, in the last tenth.
    pub last_limit_ratio: f64,
    /// Seconds from the moment from which on all should be well until it is.
    pub recovery: f64,
    /// How equal the limiters' good answers are.
    pub jain: f64,
    /// What became of all attempts.
    pub counts: Counts,
    /// The limit over time.
    pub samples: Vec<Sample>,
}

/// What became of all attempts, retries and what came after the end included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Counts {
    pub attempts: u64,
    pub refused: u64,
    pub completed: u64,
    pub failed: u64,
    pub overloaded: u64,
    pub left: u64,
    pub unfinished: u64,
}

/// One look at the limit.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// When.
    pub at: Nanos,
    /// Of all limiters together.
    pub limit: u32,
    /// Likewise.
    pub in_flight: u32,
    /// What it should be.
    pub truth: f64,
}

/// Writes down what happens.
#[derive(Debug)]
pub(super) struct Recorder {
    pub(super) counts: Counts,
    pub(super) calm_refused: u64,
    pub(super) samples: Vec<Sample>,
    pub(super) phase: usize,
    end: Nanos,
    /// Requests from before the end whose fate is unknown.
    open: u64,
    calm: u64,
    shed: u64,
    tried: u64,
    good: Vec<u64>,
    waits: Vec<f32>,
    /// Requests of each second, and how many of them were answered in time.
    seconds: Vec<[u32; 2]>,
}

impl Recorder {
    pub(super) fn new(scenario: &Scenario) -> Self {
        Self {
            counts: Counts::default(),
            calm_refused: 0,
            samples: Vec::new(),
            phase: 0,
            end: seconds(scenario.length_s),
            open: 0,
            calm: 0,
            shed: 0,
            tried: 0,
            good: vec![0; scenario.limiters],
            waits: Vec::new(),
            seconds: vec![[0; 2]; scenario.length_s.ceil() as usize],
        }
    }

    pub(super) fn is_settled(&self) -> bool {
        self.open == 0
    }

    pub(super) fn arrives(&mut self, request: &Request, calm: bool) {
        if let Some(second) = self.second(request) {
            second[0] += 1;
            self.open += 1;
            self.tried += 1;
            self.calm += u64::from(calm);
        }
    }

    pub(super) fn refused(&mut self, request: &Request, tries: u8) {
        self.counts.refused += 1;
        self.shed += u64::from(request.at < self.end && tries == 0);
    }

    pub(super) fn waited(&mut self, request: &Request, waited: Nanos) {
        if request.at < self.end {
            self.waits.push((waited as f64 / 1e9) as f32);
        }
    }

    pub(super) fn completed(&mut self, request: &Request, limiter: usize, in_time: bool) {
        self.counts.completed += 1;
        if let Some(second) = self.second(request) {
            second[1] += u32::from(in_time);
            self.good[limiter] += u64::from(in_time);
        }
        self.closed(request);
    }

    /// Nothing more will come of a request.
    pub(super) fn closed(&mut self, request: &Request) {
        self.open -= u64::from(request.at < self.end);
    }

    fn second(&mut self, request: &Request) -> Option<&mut [u32; 2]> {
        (request.at < self.end).then(|| &mut self.seconds[(request.at / 1_000_000_000) as usize])
    }

    pub(super) fn report(mut self, scenario: &Scenario, truths: &[Truth], ideal: Ideal) -> Report {
        let good: Vec<f64> = self.good.iter().map(|good| *good as f64).collect();
        let ratio = |samples: &[Sample]| {
            samples.iter().map(|sample| f64::from(sample.limit) / sample.truth).sum::<f64>()
                / samples.len() as f64
        };
        Report {
            goodput: good.iter().sum::<f64>() / ideal.good,
            wait_p50: quantile(&mut self.waits, 0.5),
            wait_p99: quantile(&mut self.waits, 0.99),
            shed: self.shed as f64 / self.tried as f64,
            ideal_shed: ideal.shed,
            false_shed: self.calm_refused as f64 / self.calm as f64,
            convergence: self.convergence(scenario, truths),
            limit_ratio: ratio(&self.samples),
            last_limit_ratio: ratio(&self.samples[self.samples.len() * 9 / 10..]),
            recovery: self.recovery(scenario),
            jain: jain_index(&good),
            counts: self.counts,
            samples: self.samples,
        }
    }

    fn convergence(&self, scenario: &Scenario, truths: &[Truth]) -> f64 {
        let alpha = 1.0 - (-(TICK as f64) / 5e9).exp();
        let mut longest = f64::NAN;
        for (at, phase) in scenario.phases.iter().enumerate() {
            let from = seconds(phase.from_s);
            let until = scenario.phases.get(at + 1).map_or(self.end, |next| seconds(next.from_s));
            let mut last_outside = None;
            // Anew in each phase: what is left of the limit before is not slowness of the controller.
            let mut smooth = None;
            let samples = self.samples.iter().filter(|sample| (from..until).contains(&sample.at));
            for sample in samples {
                let limit = f64::from(sample.limit);
                let smoothed = smooth.map_or(limit, |smooth| smooth + alpha * (limit - smooth));
                smooth = Some(smoothed);
                if !(0.7..=1.5).contains(&(smoothed / truths[at].limit)) {
                    last_outside = Some(sample.at);
                }
            }
            // Where less comes than can be served, no limit can be found, and none is needed.
            if phase.load > 1.0 {
                let took = last_outside.map_or(0, |last| last + TICK - from);
                let never = last_outside.is_some_and(|last| last + 2 * TICK >= until);
                longest = longest.max(if never { f64::INFINITY } else { took as f64 / 1e9 });
            }
        }
        longest
    }

    /// Until 9 of 10 requests of five seconds are answered in time, from then on.
    fn recovery(&self, scenario: &Scenario) -> f64 {
        let Some(from) = scenario.recovers_from_s else { return f64::NAN };
        let after = &self.seconds[from as usize..];
        let is_well = |window: &[[u32; 2]]| {
            let sum = |at: usize| window.iter().map(|second| f64::from(second[at])).sum::<f64>();
            sum(1) >= 0.9 * sum(0)
        };
        match after.windows(5).rposition(|window| !is_well(window)) {
            None => 0.0,
            Some(last) if last + 5 == after.len() => f64::INFINITY,
            Some(last) => (last + 1) as f64,
        }
    }
}
