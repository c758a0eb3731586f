use std::time::Duration;

use proptest::prelude::*;

use super::world::{EVENTS, Event, World, secs};
use crate::{
    WarmState,
    policy::{Always, Budget, Fixed, HybridHistogram, Policy},
};

/// The most that any period sees of what was warm for nothing: pauses that are shorter than the resolution are use.
fn most(world: &World, per: Duration, resolution: Duration) -> Duration {
    let idle: Vec<_> = world.idle.iter().filter(|(from, until)| *until - *from > resolution).collect();
    let within = |begin, end| {
        idle.iter()
            .map(|&&(from, until)| until.min(end).saturating_duration_since((from + resolution).max(begin)))
            .sum()
    };
    // The worst period ends with one of them.
    idle.iter().map(|&&(_, until)| within(until - per, until)).max().unwrap_or_default()
}

fn check(policy: impl Policy + Clone + 'static, sleep: Option<Duration>, events: &[usize]) {
    let (max, per) = (secs(40), secs(240));
    let resolution = policy.resolution();
    let mut world = World::new(policy, Some(Budget::new(max, per)), sleep);
    world.machine.begin(world.now);
    world.happens(Event::Moment);
    for &event in events {
        // A loss and an order begin times of their own, which is not what is asked here.
        world.happens(EVENTS[event]);
        assert!(most(&world, per, resolution) <= max, "{:?}", world.idle);
    }
    world.ends_well();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn the_budget_is_never_passed(which in 0_u8..3, sleeps: bool, events in prop::collection::vec(0..EVENTS.len(), 0..300)) {
        let sleep = sleeps.then_some(secs(10));
        match which {
            0 => check(Always, sleep, &events),
            1 => check(Fixed::new(secs(30)), sleep, &events),
            _ => check(HybridHistogram::new().bins(10, secs(10)), sleep, &events),
        }
    }
}

#[test]
fn what_comes_back_of_a_budget_is_used_again() {
    let mut world = World::new(Always, Some(Budget::new(secs(60), secs(240))), None);
    world.machine.begin(world.now);
    world.happens(Event::Moment);
    let begin = world.now;
    while world.now < begin + secs(1000) {
        world.happens(if world.next.due.is_some() { Event::Done } else { Event::Wake });
    }
    assert!(world.starts > 4, "{}", world.starts);
    let idle: Duration = world.idle.iter().map(|&(from, until)| until - from).sum();
    assert!(idle >= secs(180) && idle <= secs(300), "{idle:?}");
}

#[test]
fn requests_that_follow_each_other_closely_cost_nothing_of_it() {
    let mut world = World::new(Fixed::new(secs(600)), Some(Budget::new(secs(5), secs(1000))), None);
    world.happens(Event::Arrive);
    (0..3).for_each(|_| world.happens(Event::Done));
    for _ in 0..100 {
        world.happens(Event::End);
        world.happens(Event::Moment);
        assert_ne!(world.machine.state(), WarmState::Draining);
        world.happens(Event::Arrive);
    }
    world.happens(Event::End);
    let ended = world.now;
    while world.next.due.is_none() {
        world.happens(Event::Wake);
    }
    assert_eq!(world.now - ended, secs(6), "a second of grace, and the budget");
}
