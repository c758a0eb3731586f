//! The default policy against a small upstream, and against nonsense.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use dashpot_limit::policy::{Event, LittlesLaw, Observation, Policy, Reason, Sample, Signal};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng, rngs::SmallRng};

const MS: u64 = 1_000_000;

/// An upstream with some slots and an endless queue, and clients that come at random.
struct Upstream {
    slots: usize,
    /// Each exchange takes so long, give or take a third.
    service: Duration,
    /// Requests per second.
    load: f64,
    /// Clients leave after so long.
    patience: Option<Duration>,
    /// The time of an exchange grows by this share of `service` for each unit of the prompt.
    prompt: Option<(u32, f64)>,
}

impl Default for Upstream {
    fn default() -> Self {
        Self { slots: 16, service: Duration::from_millis(100), load: 300.0, patience: None, prompt: None }
    }
}

struct World {
    rng: SmallRng,
    origin: Instant,
    now: u64,
    events: BTreeMap<(u64, u64), Next>,
    serial: u64,
    waiting: VecDeque<u64>,
    /// Admitted exchanges, and whether they are in a slot.
    exchanges: BTreeMap<u64, (u64, u32, u32, bool)>,
    busy: usize,
    answered: u64,
    shed: u64,
}

enum Next {
    Arrival,
    End(u64),
    Leave(u64),
}

impl World {
    #[allow(clippy::print_stdout, reason = "the seed of a test that fails")]
    fn new(seed: u64) -> Self {
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

    fn at(&self, nanos: u64) -> Instant {
        self.origin + Duration::from_nanos(nanos)
    }

    fn plan(&mut self, after: u64, next: Next) {
        self.serial += 1;
        self.events.insert((self.now + after, self.serial), next);
    }

    fn run(&mut self, seconds: u64, upstream: &Upstream, policy: &mut LittlesLaw) {
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

#[test]
fn the_limit_finds_the_capacity_and_stays_there() {
    for seed in 1..=5 {
        let (upstream, mut policy, mut world) = (Upstream::default(), LittlesLaw::new(), World::new(seed));
        world.run(20, &upstream, &mut policy);
        let before = world.answered;
        let mut sum = 0.0;
        for minute in 0..20 {
            world.run(60, &upstream, &mut policy);
            let limit = policy.snapshot().limit;
            assert!((15.0..26.0).contains(&limit), "{minute}: {policy:?}");
            sum += limit;
        }
        assert!(sum / 20.0 < 1.35 * 16.0, "{}", sum / 20.0);
        // 160 per second are possible.
        let share = (world.answered - before) as f64 / (1200.0 * 160.0);
        assert!(share > 0.96, "{share}");
    }
}

#[test]
fn fewer_slots_are_found_and_more_again() {
    let (mut upstream, mut policy, mut world) = (Upstream::default(), LittlesLaw::new(), World::new(1));
    upstream.load = 1500.0;
    for slots in [16, 64, 16] {
        upstream.slots = slots;
        world.run(10, &upstream, &mut policy);
        for _ in 0..5 {
            world.run(1, &upstream, &mut policy);
            let share = policy.snapshot().limit / slots as f64;
            assert!((0.8..1.6).contains(&share), "{slots}: {policy:?}");
        }
    }
}

#[test]
fn a_start_under_overload_does_not_poison_the_baseline() {
    let upstream = Upstream { slots: 4, load: 120.0, ..Upstream::default() };
    let (mut policy, mut world) = (LittlesLaw::new(), World::new(1));
    world.run(60, &upstream, &mut policy);
    let baseline = policy.belief().baseline.unwrap();
    assert!((70..150).contains(&baseline.as_millis()), "{baseline:?}");
    assert!((4.0..9.0).contains(&policy.snapshot().limit), "{policy:?}");
}

#[test]
fn an_upstream_that_becomes_slower_is_no_queue() {
    let (mut upstream, mut policy, mut world) = (Upstream::default(), LittlesLaw::new(), World::new(1));
    world.run(30, &upstream, &mut policy);
    upstream.service *= 3;
    world.run(60, &upstream, &mut policy);
    assert!((14.0..26.0).contains(&policy.snapshot().limit), "{policy:?}");
}

#[test]
fn without_load_the_limit_stays() {
    let upstream = Upstream { load: 20.0, ..Upstream::default() };
    let (mut policy, mut world) = (LittlesLaw::new(), World::new(1));
    world.run(600, &upstream, &mut policy);
    assert_eq!((policy.limit(), world.shed), (20.0, 0));
    assert_eq!(policy.belief().reason, Reason::Unused);
}

#[test]
fn a_storm_of_clients_that_time_out_lowers_the_limit_and_passes() {
    let mut upstream = Upstream { load: 100.0, ..Upstream::default() };
    let (mut policy, mut world) = (LittlesLaw::new(), World::new(1));
    world.run(10, &upstream, &mut policy);
    // As before a restart of most of the upstream: nobody is answered in time, nothing but leavers is reported.
    policy.set_limit(400.0);
    (upstream.load, upstream.patience) = (2000.0, Some(Duration::from_millis(400)));
    world.run(20, &upstream, &mut policy);
    assert!(policy.snapshot().limit < 32.0, "{policy:?}");
    let before = world.answered;
    world.run(10, &upstream, &mut policy);
    assert!(world.answered - before > 1400, "{}", world.answered - before);
}

/// Reports `count` exchanges, 10 ms apart, under a limit that binds.
fn report(policy: &mut LittlesLaw, from: Instant, count: u32, event: impl Fn(Instant) -> Event) -> Instant {
    let mut now = from;
    for _ in 0..count {
        now += Duration::from_millis(10);
        policy
            .observe(now, &Observation { in_flight: policy.limit() as u32, departed: 1, event: event(now) });
    }
    now
}

fn latency(now: Instant, value: Duration, in_flight: u32) -> Event {
    let signal = Signal::Latency { output_tokens: None };
    Event::Sample(Sample { signal, value, admitted: now - value, in_flight, prompt: None })
}

#[test]
fn clients_that_leave_early_change_nothing() {
    let start = tokio::time::Instant::now().into_std() + Duration::from_secs(60);
    let mut policy = LittlesLaw::new();
    let now = report(&mut policy, start, 200, |now| latency(now, Duration::from_millis(100), 5));
    let before = (policy.snapshot(), policy.belief());
    let waited = Duration::from_millis(90);
    report(&mut policy, now, 1000, |now| Event::Left { admitted: now - waited, waited });
    assert_eq!((policy.snapshot(), policy.belief()), before);
}

#[test]
fn clients_that_waited_longer_than_an_exchange_takes_are_a_queue() {
    let start = tokio::time::Instant::now().into_std() + Duration::from_secs(60);
    let mut policy = LittlesLaw::new();
    let now = report(&mut policy, start, 200, |now| latency(now, Duration::from_millis(100), 5));
    let before = policy.limit();
    let waited = Duration::from_millis(300);
    report(&mut policy, now, 200, |now| Event::Left { admitted: now - waited, waited });
    assert!(policy.limit() < before);
    assert_eq!(policy.belief().reason, Reason::Queue);
}

#[test]
fn an_overload_counts_once_until_it_took_effect() {
    let now = tokio::time::Instant::now().into_std();
    let mut policy = LittlesLaw::new();
    let overload = |in_flight| Observation { in_flight, departed: 1, event: Event::Overload };
    for _ in 0..5 {
        policy.observe(now, &overload(30));
        assert_eq!((policy.limit(), policy.belief().reason), (18.0, Reason::Overload));
    }
    // A stream that does not end holds the settle up, but not for ever.
    policy.observe(now + Duration::from_secs(121), &overload(30));
    assert_eq!(policy.limit(), 0.9 * 18.0);
}

#[test]
fn longer_prompts_are_no_queue() {
    // At two thirds of what is possible, while prompts become four times as long: from a third of the time to two thirds.
    let mut upstream = Upstream { slots: 32, load: 140.0, prompt: Some((100, 0.01)), ..Upstream::default() };
    let (mut policy, mut world) = (LittlesLaw::new(), World::new(1));
    world.run(60, &upstream, &mut policy);
    let (limit, shed) = (policy.snapshot().limit, world.shed);
    (upstream.prompt, upstream.load) = (Some((400, 0.01)), 70.0);
    world.run(60, &upstream, &mut policy);
    assert!(policy.snapshot().limit >= 0.9 * limit, "{limit} {policy:?}");
    assert!(world.shed - shed < 30, "{}", world.shed - shed);
}

#[test]
fn a_pinned_baseline_never_moves() {
    let pinned = Duration::from_millis(50);
    let (mut policy, mut world) = (LittlesLaw::new().latency_baseline(pinned), World::new(1));
    world.run(120, &Upstream { load: 20.0, ..Upstream::default() }, &mut policy);
    world.run(120, &Upstream::default(), &mut policy);
    assert_eq!(policy.belief().baseline, Some(pinned));
}

#[test]
fn a_restored_policy_goes_on_where_it_was() {
    let (upstream, mut policy, mut world) = (Upstream::default(), LittlesLaw::new(), World::new(1));
    world.run(60, &upstream, &mut policy);
    let snapshot = policy.snapshot();
    let mut next = LittlesLaw::new();
    next.restore(&snapshot);
    assert_eq!(next.snapshot().limit, snapshot.limit);
    assert_eq!(next.snapshot().latency, snapshot.latency);
    assert_eq!(next.belief().reason, Reason::Set);
}

#[test]
fn an_operators_limit_is_kept_within_the_bounds() {
    let mut policy = LittlesLaw::new().min(5).max(50).initial(1);
    assert_eq!(policy.limit(), 5.0);
    for (set, limit) in [(20.0, 20.0), (1e9, 50.0), (-1.0, 5.0), (f64::NAN, 5.0), (f64::INFINITY, 50.0)] {
        policy.set_limit(set);
        assert_eq!(policy.limit(), limit);
    }
}

#[test]
fn reports_allocate_nothing() {
    let (upstream, mut policy, mut world) = (Upstream::default(), LittlesLaw::new(), World::new(1));
    world.run(5, &upstream, &mut policy);
    let start = world.at(world.now);
    let info = allocation_counter::measure(|| {
        report(&mut policy, start, 10_000, |now| latency(now, Duration::from_millis(100), 20));
    });
    assert_eq!(info.count_total, 0);
}

fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        Just(Duration::ZERO),
        Just(Duration::MAX),
        (0..3_000_000_000_u64).prop_map(Duration::from_nanos),
        any::<u64>().prop_map(Duration::from_nanos),
        (0..1000_u64).prop_map(Duration::from_secs),
    ]
}

fn count() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), Just(1), Just(u32::MAX), 0..100_u32, any::<u32>()]
}

/// Times before and after the origin.
type Times = (u64, bool);

fn event() -> impl Strategy<Value = (u8, Duration, Times, u32, Option<u32>)> {
    (0..8_u8, duration(), time(), count(), proptest::option::of(count()))
}

fn time() -> impl Strategy<Value = Times> {
    (prop_oneof![0..1_000_000_000_u64, 0..10_000_000_000_000_u64], any::<bool>())
}

proptest! {
    #[test]
    fn the_limit_stays_within_its_bounds_whatever_is_reported(
        (min, more, initial) in (1..50_u32, 0..2000_u32, count()),
        pinned in proptest::option::of(duration()),
        reports in proptest::collection::vec((time(), 1..60_u32, count(), count(), event()), 1..60),
    ) {
        let origin = tokio::time::Instant::now().into_std() + Duration::from_secs(100_000);
        let (min, max) = (min, min + more);
        let mut policy = LittlesLaw::new().max(10_000).min(min).max(max).initial(initial);
        if let Some(pinned) = pinned {
            policy = policy.latency_baseline(pinned);
        }
        for ((nanos, after), repeat, in_flight, departed, (kind, value, admitted, peak, length)) in reports {
            let at = |nanos, after| match after {
                true => origin + Duration::from_nanos(nanos),
                false => origin - Duration::from_nanos(nanos),
            };
            let admitted = at(admitted.0, admitted.1);
            let sample = |signal| {
                Event::Sample(Sample { signal, value, admitted, in_flight: peak, prompt: length })
            };
            let event = match kind {
                0 => Event::Overload,
                1 => Event::Departure,
                2 => Event::Left { admitted, waited: value },
                3 | 4 => sample(Signal::FirstToken),
                _ => sample(Signal::Latency { output_tokens: length }),
            };
            for i in 0..repeat {
                let now = at(nanos, after) + Duration::from_millis(50) * i;
                policy.observe(now, &Observation { in_flight, departed, event });
                let limit = policy.limit();
                prop_assert!(limit >= f64::from(min) && limit <= f64::from(max), "{limit}");
                let belief = policy.belief();
                prop_assert!(belief.queue.is_none_or(f64::is_finite), "{belief:?}");
            }
            if kind == 0 && repeat % 2 == 0 {
                policy.restore(&policy.snapshot());
            }
        }
    }
}
