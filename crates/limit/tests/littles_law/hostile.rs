//! States that the limit must find its way out of.
use std::{collections::BTreeMap, time::Duration};

use dashpot_limit::policy::{Event, Gradient2, LittlesLaw, Observation, Policy, Sample, Signal, Vegas};

use crate::world::{Upstream, World};

const WHOLE: Signal = Signal::Latency { output_tokens: None };
const OVERLOAD: Observation = Observation { in_flight: 0, departed: 1, event: Event::Overload };

/// As many as the limit allows are in flight, always; each takes `service(t)`, give or take a third, in one of `slots`.
/// Gives the mean of the limit over the last minute.
fn closed(
    policy: &mut dyn Policy,
    slots: usize,
    seconds: f64,
    service: fn(f64) -> f64,
    event: fn(u64, Sample) -> Event,
) -> f64 {
    let origin = tokio::time::Instant::now().into_std();
    let (mut t, mut id, mut free) = (0.0_f64, 0_u64, vec![0.0_f64; slots]);
    let mut ends: BTreeMap<(u64, u64), (f64, u32)> = BTreeMap::new();
    let (mut sum, mut count) = (0.0, 0.0);
    while t < seconds {
        while ends.len() < policy.limit() as usize {
            let first = free.iter_mut().min_by(|a, b| a.total_cmp(b)).unwrap();
            let varied = 0.67 + 0.66 * (id as f64 * 0.618_033_988_75).fract();
            *first = first.max(t) + service(t) * varied;
            id += 1;
            let in_flight = ends.len() as u32 + 1;
            ends.insert(((*first * 1e9) as u64, id), (t, in_flight));
        }
        let ((nanos, id), (admitted, in_flight)) = ends.pop_first().unwrap();
        t = nanos as f64 / 1e9;
        let at = |t| origin + Duration::from_secs_f64(t);
        let value = Duration::from_secs_f64(t - admitted);
        let sample = Sample { signal: WHOLE, value, admitted: at(admitted), in_flight, prompt: None };
        let event = event(id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40, sample);
        policy.observe(at(t), &Observation { in_flight: ends.len() as u32, departed: 1, event });
        if t > seconds - 60.0 {
            (sum, count) = (sum + policy.limit(), count + 1.0);
        }
    }
    sum / count
}

#[test]
fn after_a_burst_of_overloads_a_slower_upstream_is_found_again() {
    let (mut upstream, mut policy, mut world) = (Upstream::default(), LittlesLaw::new(), World::new(1));
    world.run(60, &upstream, &mut policy);
    let now = world.at(world.now);
    (0..100).for_each(|_| policy.observe(now, &OVERLOAD));
    upstream.service *= 3;
    world.run(600, &upstream, &mut policy);
    assert!(policy.snapshot().limit > 10.0, "{policy:?}");
}

#[test]
fn the_lowest_limit_does_not_last_where_the_upstream_is_slower() {
    let mut upstream = Upstream { slots: 5, load: 100.0, ..Upstream::default() };
    let (mut policy, mut world) = (LittlesLaw::new().min(5), World::new(1));
    world.run(120, &upstream, &mut policy);
    (upstream.slots, upstream.load, upstream.service) = (50, 300.0, upstream.service * 3);
    world.run(600, &upstream, &mut policy);
    assert!(policy.snapshot().limit > 40.0, "{policy:?}");
}

#[test]
fn an_upstream_that_becomes_slower_is_no_queue_though_some_clients_leave() {
    let (mut upstream, mut policy, mut world) = (Upstream::default(), LittlesLaw::new(), World::new(1));
    world.run(60, &upstream, &mut policy);
    // 200 to 400 ms, so without a queue one in five leaves.
    (upstream.service, upstream.patience) = (upstream.service * 3, Some(Duration::from_millis(360)));
    world.run(600, &upstream, &mut policy);
    assert!(policy.snapshot().limit > 10.0, "{policy:?}");
}

#[test]
fn an_upstream_that_becomes_slower_is_no_queue_though_signals_alternate() {
    let slower = |t: f64| if t > 120.0 { 0.4 } else { 0.1 };
    let by_turns = |hash: u64, sample| {
        let signal = if hash.is_multiple_of(2) { Signal::FirstToken } else { WHOLE };
        Event::Sample(Sample { signal, ..sample })
    };
    let limit = closed(&mut LittlesLaw::new(), 40, 600.0, slower, by_turns);
    assert!(limit > 30.0, "{limit}");
}

#[test]
fn a_queue_from_the_first_moment_is_found_under_the_highest_limit_too() {
    let (mut policy, mut now) = (LittlesLaw::new().max(20), tokio::time::Instant::now().into_std());
    for _ in 0..40 * 600 {
        now += Duration::from_millis(25);
        let in_flight = policy.limit() as u32;
        let value = Duration::from_millis(25) * in_flight.max(4);
        let sample = Sample { signal: WHOLE, value, admitted: now - value, in_flight, prompt: None };
        policy.observe(now, &Observation { in_flight, departed: 1, event: Event::Sample(sample) });
    }
    assert!(policy.snapshot().limit < 8.0, "{policy:?}");
}

#[test]
fn one_overload_in_a_hundred_does_not_starve_an_upstream() {
    let one_in_100 =
        |hash: u64, sample| if hash.is_multiple_of(100) { Event::Overload } else { Event::Sample(sample) };
    let limit = closed(&mut LittlesLaw::new(), 100, 600.0, |_| 0.5, one_in_100);
    assert!(limit > 90.0, "{limit}");
}

#[test]
fn after_overloads_few_requests_are_not_refused_for_ever() {
    let mut policy = LittlesLaw::new();
    let mut now = tokio::time::Instant::now().into_std();
    for _ in 0..40 {
        now += Duration::from_secs(1);
        policy.observe(now, &OVERLOAD);
    }
    // Two at once every 70 s, for a week; the second is refused while the limit is 1.
    for _ in 0..8640 {
        now += Duration::from_secs(70);
        let n = 2.min(policy.limit() as u32);
        for i in 0..n {
            let value = Duration::from_millis(500);
            policy.observe(
                now + value,
                &Observation {
                    in_flight: n - i - 1,
                    departed: 1,
                    event: Event::Sample(Sample {
                        signal: WHOLE,
                        value,
                        admitted: now,
                        in_flight: i + 1,
                        prompt: None,
                    }),
                },
            );
        }
    }
    assert!(policy.limit() >= 2.0, "{} {:?}", policy.limit(), policy.belief());
}

#[test]
fn an_initial_limit_beyond_the_bounds_is_no_trap() {
    let policies: [(&str, Box<dyn Policy>); 3] = [
        ("Vegas from 0", Box::new(Vegas::new().initial(0))),
        ("Vegas from 5000", Box::new(Vegas::new().initial(5000))),
        ("Gradient2 from 5000", Box::new(Gradient2::new().initial(5000))),
    ];
    for (name, mut policy) in policies {
        let (first, mut now) = (policy.limit(), tokio::time::Instant::now().into_std());
        for i in 0..100_000_u32 {
            now += Duration::from_millis(10);
            let in_flight = policy.limit() as u32;
            // Eight slots: at first nobody waits, then all above.
            let value = Duration::from_millis(10) * if i < 2000 { 8 } else { in_flight.max(8) };
            let sample = Sample { signal: WHOLE, value, admitted: now - value, in_flight, prompt: None };
            policy.observe(now, &Observation { in_flight, departed: 1, event: Event::Sample(sample) });
        }
        assert_ne!(policy.limit(), first, "{name}: {policy:?}");
    }
}
