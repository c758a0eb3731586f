use rand::{SeedableRng, rngs::SmallRng};

use super::{
    Mix, Nanos,
    upstream::{Batching, Queue, Sharing, Upstream},
    workload::{Fate, HIT_TIME, Request},
};

/// What comes, what answers it, and what counts as good.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Short, for tables.
    pub name: &'static str,
    /// One line for people.
    pub about: &'static str,
    /// What stands behind the limit.
    pub kind: Kind,
    /// From the beginning on; the first begins at 0.
    pub phases: Vec<Phase>,
    /// How long it lasts, in seconds.
    pub length_s: f64,
    /// What an answer must keep to be good.
    pub slo: Slo,
    /// How many limiters share the upstream; each client uses one of them at random.
    pub limiters: usize,
    /// Whether the load comes in bursts.
    pub bursts: Option<Bursts>,
    /// Whether the upstream goes on with work that nobody waits for.
    pub unnoticed: bool,
    /// The second from which on it has to get well again, if it is about that.
    pub recovers_from_s: Option<f64>,
}

/// Kinds of upstreams.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// M/G/k, first come first served. What begins while it is idle takes longer by the share `cold`, and less so the
    /// busier it is.
    Queue {
        /// Zero for what takes always the same.
        cold: f64,
    },
    /// All are worked on at once, and each the slower the more there are beyond so many slots.
    Sharing,
    /// A model server that works in batches.
    Batching(Batch),
}

/// A model server that works in batches.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    /// Tokens of prompts and answers that fit in its memory.
    pub kv_tokens: u64,
    /// More that wait are answered 503.
    pub queue: usize,
    /// Milliseconds until the first token, for any prompt, and for each token of the prompt.
    pub prefill_ms: (f64, f64),
    /// Milliseconds from token to token, alone, and for each one in the batch.
    pub gap_ms: (f64, f64),
}

impl Batch {
    pub(super) fn prefill_ms(&self, prompt: f64) -> f64 {
        self.prefill_ms.0 + self.prefill_ms.1 * prompt
    }

    pub(super) fn gap_ms(&self, running: f64) -> f64 {
        self.gap_ms.0 + self.gap_ms.1 * running
    }
}

/// A time in which nothing changes but by chance.
#[derive(Clone, Debug)]
pub struct Phase {
    /// When it begins, in seconds.
    pub from_s: f64,
    /// How many requests come, as a share of how many the upstream can answer in this phase.
    pub load: f64,
    /// What the upstream can do at once.
    pub slots: f64,
    /// A factor on all of the upstream's times.
    pub slow: f64,
    /// What requests are like.
    pub mix: Mix,
}

/// Times of high and low load, by turns, each with a length from an exponential distribution.
#[derive(Clone, Copy, Debug)]
pub struct Bursts {
    /// A factor on the load, and how long it lasts in seconds.
    pub high: (f64, f64),
    /// The same for the time between.
    pub low: (f64, f64),
}

/// What an answer must keep, counted from the client's first attempt.
#[derive(Clone, Copy, Debug)]
pub enum Slo {
    /// The answer is complete within so many seconds.
    Total(f64),
    /// The first token is written within so many seconds, and the answer becomes complete.
    FirstToken(f64),
}

/// What an upstream can do in a phase, if it need not be found out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Truth {
    /// Requests per second.
    pub(super) rate: f64,
    /// Good answers per second at that rate.
    pub(super) good: f64,
    /// Exchanges in flight at that rate, when none waits.
    pub(super) limit: f64,
}

impl Scenario {
    /// One that has a single phase, in which all comes as it can be served.
    #[must_use]
    pub fn new(name: &'static str, about: &'static str, load: f64, slots: f64, mix: Mix, slo: Slo) -> Self {
        Self {
            name,
            about,
            kind: Kind::Queue { cold: 0.0 },
            phases: vec![Phase { from_s: 0.0, load, slots, slow: 1.0, mix }],
            length_s: 60.0,
            slo,
            limiters: 1,
            bursts: None,
            unnoticed: false,
            recovers_from_s: None,
        }
    }

    /// Adds a phase that differs from the one before it.
    ///
    /// # Panics
    ///
    /// Never: each scenario begins with a phase.
    #[must_use]
    pub fn then(mut self, from_s: f64, change: impl FnOnce(&mut Phase)) -> Self {
        let mut phase = self.phases.last().cloned().expect("a scenario has a phase");
        phase.from_s = from_s;
        change(&mut phase);
        self.phases.push(phase);
        self
    }

    pub(super) fn upstream(&self) -> Box<dyn Upstream> {
        match self.kind {
            Kind::Queue { cold } => Box::new(Queue::new(cold)),
            Kind::Sharing => Box::new(Sharing::new()),
            Kind::Batching(batch) => Box::new(Batching::new(batch)),
        }
    }

    /// By the mean of many requests.
    pub(super) fn truth(&self, phase: &Phase) -> Truth {
        const REQUESTS: usize = 20_000;
        let mut rng = SmallRng::seed_from_u64(0);
        let requests: Vec<Request> = (0..REQUESTS).map(|_| phase.mix.draw(0, &mut rng)).collect();
        let mean =
            |value: &dyn Fn(&Request) -> f64| requests.iter().map(value).sum::<f64>() / REQUESTS as f64;
        let slots = match self.kind {
            Kind::Batching(batch) => {
                let tokens = mean(&|request| f64::from(request.work.prompt + request.work.output));
                phase.slots.min(batch.kv_tokens as f64 / tokens)
            }
            Kind::Queue { .. } | Kind::Sharing => phase.slots,
        };
        let busy = mean(&|request| self.times(phase, slots, request).0);
        let beside = mean(&|request| self.times(phase, slots, request).1);
        let rate = slots / busy;
        let good = rate * mean(&|request| f64::from(u8::from(request.is_good())));
        Truth { rate, good, limit: slots + rate * beside }
    }

    /// Seconds for which a request that need not wait keeps a slot of the upstream, and is in flight without.
    fn times(&self, phase: &Phase, slots: f64, request: &Request) -> (f64, f64) {
        let seconds = |nanos: Nanos| nanos as f64 / 1e9;
        let work = &request.work;
        let (first, total) = match self.kind {
            Kind::Batching(batch) => {
                let first = batch.prefill_ms(f64::from(work.prompt)) / 1e3;
                (first, first + batch.gap_ms(slots) / 1e3 * f64::from(work.output))
            }
            Kind::Queue { .. } | Kind::Sharing => (seconds(work.first), seconds(work.first + work.rest)),
        };
        match request.fate {
            Fate::Hit => (0.0, seconds(HIT_TIME)),
            Fate::Failure { after, .. } => (0.0, seconds(after)),
            Fate::Stuck { until } => (first * phase.slow, seconds(until)),
            Fate::Served => {
                let leaves = request.leaves_after.map_or(f64::INFINITY, seconds);
                ((total * phase.slow).min(leaves), 0.0)
            }
        }
    }
}
