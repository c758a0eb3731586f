//! What operators set, and what a restart keeps.

use std::time::Duration;

use dashpot_limit::policy::{LittlesLaw, Policy, Reason};

use crate::{
    reports::{latency, report},
    world::{Upstream, World},
};

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
