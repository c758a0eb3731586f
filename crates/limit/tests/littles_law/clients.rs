//! Clients that leave, and upstreams that say they have too much to do.

use std::time::Duration;

use dashpot_limit::policy::{Event, LittlesLaw, Observation, Policy, Reason};

use crate::{
    reports::{latency, report},
    world::{Upstream, World},
};

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
