//! A small upstream with a queue, and those who ask it.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use dashpot_limit::policy::{Event, LittlesLaw, Observation, Policy, Sample, Signal};
use rand::{RngExt, SeedableRng, rngs::SmallRng};

const MS: u64 = 1_000_000;

/// An upstream with some slots and an endless queue, and clients that come at random.
pub(crate) struct Upstream {
    pub(crate) slots: usize,
    /// Each exchange takes so long, give or take a third.
    pub(crate) service: Duration,
    /// Requests per second.
    pub(crate) load: f64,
    /// Clients leave after so long.
    pub(crate) patience: Option<Duration>,
    /// The time of an exchange grows by this share of `service` for each unit of the prompt.
    pub(crate) prompt: Option<(u32, f64)>,
}

impl Default for Upstream {
    fn default() -> Self {
        Self { slots: 16, service: Duration::from_millis(100), load: 300.0, patience: None, prompt: None }
    }
}

pub(crate) struct World {
    rng: SmallRng,
    origin: Instant,
    pub(crate) now: u64,
    events: BTreeMap<(u64, u64), Next>,
    serial: u64,
    waiting: VecDeque<u64>,
    /// Admitted exchanges, and whether they are in a slot.
    exchanges: BTreeMap<u64, (u64, u32, u32, bool)>,
    busy: usize,
    pub(crate) answered: u64,
    pub(crate) shed: u64,
}

enum Next {
    Arrival,
    End(u64),
    Leave(u64),
}

impl World {
    #[allow(clippy::print_stdout, reason = "the seed of a test that fails")]
    pub(crate) fn new(seed: u64) -> Self {
        println!("seed {seed}");
        let mut world = Self {
            rng: SmallRng::seed_from_u64(seed),
            origin: tokio::time::Instant::now().into_std(),
            now: 0,
            events: BTreeMap::new(),
            serial: 0,
            waiting: VecDeque::new(),
            exchanges: BTreeMap::new(),
            busy: 0,
            answered: 0,
            shed: 0,
        };
        world.plan(0, Next::Arrival);
        world
    }

    pub(crate) fn at(&self, nanos: u64) -> Instant {
        self.origin + Duration::from_nanos(nanos)
    }

    fn plan(&mut self, after: u64, next: Next) {
        self.serial += 1;
        self.events.insert((self.now + after, self.serial), next);
    }

    pub(crate) fn run(&mut self, seconds: u64, upstream: &Upstream, policy: &mut LittlesLaw) {
        let end = self.now + seconds * 1000 * MS;
        while let Some(entry) = self.events.first_entry() {
            if entry.key().0 > end {
                break;
            }
            self.now = entry.key().0;
            match entry.remove() {
                Next::Arrival => self.arrive(upstream, policy),
                Next::End(id) => self.end(id, policy),
                Next::Leave(id) => self.leave(id, policy),
            }
            self.serve(upstream);
        }
        self.now = end;
    }

    fn arrive(&mut self, upstream: &Upstream, policy: &LittlesLaw) {
        let gap = -self.rng.random_range(1e-9..1.0_f64).ln() / upstream.load;
        self.plan((gap * 1e9) as u64, Next::Arrival);
        if self.exchanges.len() >= policy.limit() as usize {
            self.shed += 1;
            return;
        }
        let id = self.serial;
        let prompt = upstream.prompt.map_or(0, |(longest, _)| self.rng.random_range(1..=longest));
        self.exchanges.insert(id, (self.now, self.exchanges.len() as u32 + 1, prompt, false));
        self.waiting.push_back(id);
        if let Some(patience) = upstream.patience {
            self.plan(patience.as_nanos() as u64, Next::Leave(id));
        }
    }

    fn serve(&mut self, upstream: &Upstream) {
        while self.busy < upstream.slots {
            let Some(id) = self.waiting.pop_front() else { return };
            let Some(exchange) = self.exchanges.get_mut(&id) else { continue };
            exchange.3 = true;
            let longer = upstream.prompt.map_or(1.0, |(_, slope)| 1.0 + slope * f64::from(exchange.2));
            let varied = self.rng.random_range(0.67..1.33);
            self.busy += 1;
            self.plan((upstream.service.as_nanos() as f64 * longer * varied) as u64, Next::End(id));
        }
    }

    fn end(&mut self, id: u64, policy: &mut LittlesLaw) {
        self.busy -= 1;
        let Some((admitted, in_flight, prompt, _)) = self.exchanges.remove(&id) else { return };
        self.answered += 1;
        let signal = if prompt > 0 { Signal::FirstToken } else { Signal::Latency { output_tokens: None } };
        let event = Event::Sample(Sample {
            signal,
            value: Duration::from_nanos(self.now - admitted),
            admitted: self.at(admitted),
            in_flight,
            prompt: (prompt > 0).then_some(prompt),
        });
        self.observe(event, policy);
    }

    fn leave(&mut self, id: u64, policy: &mut LittlesLaw) {
        // The upstream goes on with what is in a slot.
        let Some((admitted, ..)) = self.exchanges.remove(&id) else { return };
        let (admitted, waited) = (self.at(admitted), Duration::from_nanos(self.now - admitted));
        self.observe(Event::Left { admitted, waited }, policy);
    }

    fn observe(&self, event: Event, policy: &mut LittlesLaw) {
        let in_flight = self.exchanges.len() as u32;
        policy.observe(self.at(self.now), &Observation { in_flight, departed: 1, event });
    }
}
