use proptest::prelude::*;

use super::world::{EVENTS, Event, World, secs};
use crate::{
    WarmState,
    machine::{Arrival, Step},
    policy::{Always, Fixed, HybridHistogram, Never, Schedule, Window},
};

fn worlds() -> [World; 5] {
    [
        World::new(Fixed::new(secs(30)), None, None),
        World::new(Never, None, None),
        World::new(Always, None, Some(secs(120))),
        World::new(HybridHistogram::new().bins(10, secs(5)), None, Some(secs(15))),
        World::new(Schedule::new([Window::daily((0, 1), (0, 3))], secs(5)), None, None),
    ]
}

#[test]
fn all_sequences_of_a_few_events_keep_the_promises() {
    // The first step of interest is a request, whatever else may come before.
    const LENGTH: u32 = 5;
    let all = (EVENTS.len() as u32).pow(LENGTH);
    for number in 0..all {
        let events = (0..LENGTH)
            .map(|digit| EVENTS[(number / (EVENTS.len() as u32).pow(digit)) as usize % EVENTS.len()]);
        for mut world in worlds().into_iter().take(if number % 8 == 0 { 5 } else { 1 }) {
            world.happens(Event::Arrive);
            events.clone().for_each(|event| world.happens(event));
            world.ends_well();
        }
    }
}

#[test]
fn all_sequences_around_a_warm_upstream_keep_the_promises() {
    const LENGTH: u32 = 4;
    let all = (EVENTS.len() as u32).pow(LENGTH);
    for number in 0..all {
        let events = (0..LENGTH)
            .map(|digit| EVENTS[(number / (EVENTS.len() as u32).pow(digit)) as usize % EVENTS.len()]);
        for mut world in worlds() {
            world.happens(Event::Arrive);
            (0..3).for_each(|_| world.happens(Event::Done));
            assert_eq!(world.machine.state(), WarmState::Ramping);
            world.happens(Event::Wake);
            assert_eq!(world.machine.state(), WarmState::Warm);
            events.clone().for_each(|event| world.happens(event));
            world.ends_well();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn long_sequences_keep_the_promises(which in 0_usize..5, events in prop::collection::vec(0_usize..EVENTS.len(), 0..200)) {
        let mut world = worlds().into_iter().nth(which).unwrap();
        events.into_iter().for_each(|event| world.happens(EVENTS[event]));
        world.ends_well();
    }
}

#[test]
fn a_start_is_told_asked_and_primed_in_this_order() {
    let mut world = World::new(Fixed::new(secs(30)), None, None);
    world.happens(Event::Arrive);
    for step in [Step::Start, Step::Probe, Step::Prime] {
        assert_eq!(world.next.due.unwrap().step, step);
        assert_eq!((world.load.in_flight, world.load.waiting), (0, 1));
        world.happens(Event::Done);
    }
    assert_eq!((world.load.in_flight, world.load.waiting), (1, 0));
    assert_eq!((world.next.due, world.starts), (None, 1));
}

#[test]
fn a_prime_that_fails_is_no_start() {
    let mut world = World::new(Fixed::new(secs(30)), None, None);
    world.happens(Event::Arrive);
    [Event::Done, Event::Done, Event::Fail].into_iter().for_each(|event| world.happens(event));
    assert_eq!(world.machine.state(), WarmState::Failed);
    assert_eq!(world.next.due.unwrap().step, Step::Stop, "what is left of it goes first");
    world.happens(Event::Done);
    world.happens(Event::Wake);
    assert_eq!(world.next.due.unwrap().step, Step::Start, "it is tried again");
}

#[test]
fn failures_wait_longer_each_time_and_a_start_that_lasts_ends_that() {
    let mut world = World::new(Fixed::new(secs(1000)), None, None);
    world.happens(Event::Arrive);
    let mut waits = Vec::new();
    for _ in 0..8 {
        world.happens(Event::Fail);
        world.happens(Event::Done);
        waits.push((world.next.wake_at.unwrap() - world.now).as_secs_f64());
        world.happens(Event::Wake);
    }
    for (wait, expected) in waits.into_iter().zip([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]) {
        assert!((0.75..=1.25).contains(&(wait / expected)), "{wait} is not about {expected}");
    }
    (0..3).for_each(|_| world.happens(Event::Done));
    world.now += secs(11);
    world.happens(Event::Lose);
    assert_eq!(world.machine.state(), WarmState::Cold);
    world.happens(Event::End);
    world.happens(Event::Arrive);
    world.happens(Event::Fail);
    world.happens(Event::Done);
    assert!(world.next.wake_at.unwrap() - world.now < secs(2));
}

#[test]
fn what_is_lost_at_once_was_no_start_and_what_was_lost_earlier_is_no_news() {
    let mut world = World::new(Fixed::new(secs(1000)), None, None);
    world.happens(Event::Arrive);
    (0..3).for_each(|_| world.happens(Event::Done));
    let generation = world.machine.generation();
    world.happens(Event::Lose);
    assert_eq!(world.machine.state(), WarmState::Failed);
    assert_eq!(world.next.due, None, "it may still be well, and is asked");
    world.happens(Event::Arrive);
    world.happens(Event::Wake);
    (0..3).for_each(|_| world.happens(Event::Done));
    world.machine.lost(generation, world.now);
    assert_eq!(world.machine.state(), WarmState::Ramping);
}

#[test]
fn a_ramp_lets_more_in_by_and_by_and_then_all() {
    let mut world = World::new(Fixed::new(secs(1000)), None, None);
    (0..3).for_each(|_| world.happens(Event::Arrive));
    (0..3).for_each(|_| world.happens(Event::Done));
    let mut in_flight = vec![world.load.in_flight];
    for _ in 0..2 {
        world.happens(Event::Wake);
        in_flight.push(world.load.in_flight);
    }
    assert_eq!(in_flight, [1, 2, 3]);
    assert!(world.now - super::origin() <= secs(3));
}

#[test]
fn idle_begins_with_the_end_of_the_last_body() {
    let mut world = World::new(Fixed::new(secs(30)), None, None);
    world.happens(Event::Arrive);
    (0..3).for_each(|_| world.happens(Event::Done));
    (0..40).for_each(|_| world.happens(Event::Wake));
    assert_eq!(world.machine.state(), WarmState::Warm, "a body that lasts for long is use");
    world.happens(Event::End);
    let ended = world.now;
    world.happens(Event::Wake);
    assert_eq!((world.now - ended, world.next.due.unwrap().step), (secs(30), Step::Stop));
}

#[test]
fn an_upstream_that_sleeps_is_woken_and_one_that_sleeps_for_long_is_stopped() {
    let mut world = World::new(Never, None, Some(secs(60)));
    world.happens(Event::Arrive);
    (0..3).for_each(|_| world.happens(Event::Done));
    world.happens(Event::End);
    assert_eq!(world.next.due.unwrap().step, Step::Sleep);
    world.happens(Event::Done);
    assert_eq!(world.machine.state(), WarmState::Sleeping);
    world.happens(Event::Arrive);
    assert_eq!(world.next.due.unwrap().step, Step::Wake);
    (0..3).for_each(|_| world.happens(Event::Done));
    world.happens(Event::End);
    world.happens(Event::Done);
    world.happens(Event::Wake);
    assert_eq!(world.next.due.unwrap().step, Step::Stop);
}

#[test]
fn what_a_policy_starts_for_nothing_is_counted() {
    let mut world = World::new(HybridHistogram::new(), None, None);
    // Every hour: regular enough after the second.
    for _ in 0..3 {
        world.happens(Event::Arrive);
        while world.load.waiting > 0 {
            world.happens(Event::Done);
        }
        world.happens(Event::End);
        let until = world.now + secs(3600);
        while world.next.wake_at.is_some_and(|at| at < until) || world.next.due.is_some() {
            world.happens(if world.next.due.is_some() { Event::Done } else { Event::Wake });
        }
        world.now = until;
    }
    let stats = world.machine.stats(world.now, world.load);
    assert_eq!((stats.useless_prewarms, stats.held, stats.lost + 1), (0, 1, 1), "{stats:?}");
    assert_eq!(world.machine.state(), WarmState::Warm, "it is expected");
    while world.machine.state() != WarmState::Cold {
        world.happens(if world.next.due.is_some() { Event::Done } else { Event::Wake });
    }
    assert_eq!(world.machine.stats(world.now, world.load).useless_prewarms, 1);
}

#[test]
fn nobody_overtakes_those_who_wait_even_if_there_is_room_that_nobody_has_seen() {
    let mut world = World::new(Fixed::new(secs(1000)), None, None);
    (0..2).for_each(|_| world.happens(Event::Arrive));
    (0..3).for_each(|_| world.happens(Event::Done));
    assert_eq!((world.load.in_flight, world.load.waiting), (1, 1));
    assert_eq!(world.machine.arrives(world.now + secs(3), world.load), Arrival::Hold);
}

#[test]
fn the_end_of_a_step_that_is_not_wanted_any_more_is_no_news() {
    let mut world = World::new(Fixed::new(secs(1000)), None, None);
    world.happens(Event::Warm);
    let start = world.next.due.unwrap();
    world.happens(Event::Cool);
    let stop = world.next.due.unwrap();
    assert_eq!((start.step, stop.step), (Step::Start, Step::Stop));
    world.machine.finished(start.id, true, world.now);
    assert_eq!(world.machine.advance(world.now, world.load).due, Some(stop));
}

#[test]
fn what_is_lost_at_once_each_time_is_tried_less_and_less_often() {
    let mut world = World::new(Fixed::new(secs(1000)), None, None);
    world.happens(Event::Arrive);
    let mut waits = Vec::new();
    for _ in 0..4 {
        while world.next.due.is_some() {
            world.happens(Event::Done);
        }
        world.happens(Event::Lose);
        waits.push((world.next.wake_at.unwrap() - world.now).as_secs_f64());
        world.happens(Event::Arrive);
        world.happens(Event::Wake);
    }
    for (wait, expected) in waits.into_iter().zip([1.0, 2.0, 4.0, 8.0]) {
        assert!((0.75..=1.25).contains(&(wait / expected)), "{wait} is not about {expected}");
    }
}
