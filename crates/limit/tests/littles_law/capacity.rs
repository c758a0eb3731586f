//! Where the limit settles, and what it is not misled by.

use std::time::Duration;

use dashpot_limit::policy::{LittlesLaw, Policy, Reason};

use crate::reports::{latency, report};
use crate::world::{Upstream, World};

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
    for seed in 1..=5 {
        let upstream = Upstream { slots: 4, load: 120.0, ..Upstream::default() };
        let (mut policy, mut world) = (LittlesLaw::new(), World::new(seed));
        world.run(60, &upstream, &mut policy);
        let baseline = policy.belief().baseline.unwrap();
        assert!((70..150).contains(&baseline.as_millis()), "{baseline:?}");
        assert!((4.0..9.0).contains(&policy.snapshot().limit), "{policy:?}");
    }
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
fn a_limit_that_is_far_from_being_reached_is_not_lowered() {
    let (mut policy, start) = (LittlesLaw::new().initial(100), tokio::time::Instant::now().into_std());
    let start = start + Duration::from_secs(60);
    let now = report(&mut policy, start, 200, |now| latency(now, Duration::from_millis(100), 40));
    let now = report(&mut policy, now, 200, |now| latency(now, Duration::from_millis(300), 40));
    assert_eq!((policy.limit(), policy.belief().reason), (100.0, Reason::Unused));
    report(&mut policy, now, 200, |now| latency(now, Duration::from_millis(900), 60));
    // From there to what was in flight, at once.
    assert!(policy.limit() <= 60.0 && policy.belief().reason == Reason::Queue, "{policy:?}");
}

#[test]
fn the_short_answers_that_come_first_are_no_baseline_for_all() {
    // 100 a second end; one of four takes 740 ms, the others 20 ms: at first only those are seen, while 20 are in flight.
    let mut policy = LittlesLaw::new().max(20);
    let start = tokio::time::Instant::now().into_std() + Duration::from_secs(60);
    let answer = |now, millis| latency(now, Duration::from_millis(millis), 20);
    let mut now = report(&mut policy, start, 74, |now| answer(now, 20));
    // Until the first probe.
    for _ in 0..40 {
        now = report(&mut policy, now, 3, |now| answer(now, 20));
        now = report(&mut policy, now, 1, |now| answer(now, 740));
        assert_eq!(policy.limit(), 20.0, "{:?} {policy:?}", now - start);
    }
}
