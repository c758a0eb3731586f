//! What hangs, what is refused, and what happens while it rests.

use std::time::Duration;

use super::world::{Event, World, secs};
use crate::{
    WarmState,
    machine::Step,
    policy::{Fixed, Never},
};

#[test]
fn one_that_neither_sleeps_nor_says_so_is_stopped() {
    let mut world = World::new(Never, None, Some(secs(600)));
    world.happens(Event::Arrive);
    (0..3).for_each(|_| world.happens(Event::Done));
    world.happens(Event::End);
    assert_eq!(world.next.due.unwrap().step, Step::Sleep);
    world.happens(Event::Wake);
    assert_eq!(world.next.due.unwrap().step, Step::Stop, "it may still be up");
}

#[test]
fn a_probe_that_hangs_is_followed_by_another() {
    let mut world = World::new(Fixed::new(secs(1000)), None, None);
    world.happens(Event::Arrive);
    world.happens(Event::Done);
    let (began, first) = (world.now, world.next.due.unwrap());
    world.happens(Event::Wake);
    world.happens(Event::Wake);
    let second = world.next.due.unwrap();
    assert_eq!((first.step, second.step), (Step::Probe, Step::Probe));
    assert!(first != second && world.now - began < secs(40));
    world.happens(Event::Done);
    assert_eq!(world.machine.state(), WarmState::Priming);
}

#[test]
fn who_is_refused_is_told_what_nine_of_ten_starts_took_and_who_has_less_time_than_the_shortest_does_not_wait()
{
    let mut world = World::new(Never, None, None);
    for seconds in [3, 7, 10, 1, 2, 9, 8, 4, 5, 6] {
        world.happens(Event::Arrive);
        world.now += secs(seconds);
        (0..3).for_each(|_| world.happens(Event::Done));
        world.happens(Event::End);
        world.happens(Event::Done);
        assert_eq!(world.machine.state(), WarmState::Cold);
    }
    let now = world.now;
    assert_eq!(world.machine.retry_after(now), secs(9));
    assert!(world.machine.can_be_ready(now + secs(1), now));
    assert!(!world.machine.can_be_ready(now + Duration::from_millis(999), now));
    world.happens(Event::Arrive);
    assert_eq!(world.machine.retry_after(now + secs(4)), secs(5), "so much has passed");
    assert_eq!(world.machine.retry_after(now + secs(60)), secs(1), "it must be ready any moment");
    assert!(world.machine.can_be_ready(now + secs(61), now + secs(60)));
}

#[test]
fn whoever_was_refused_is_started_for_once_and_not_for_ever() {
    let mut world = World::new(Never, None, None);
    (0..4).for_each(|_| world.happens(Event::Arrive));
    (0..3).for_each(|_| world.happens(Event::Leave));
    world.happens(Event::Fail);
    world.happens(Event::Done);
    (0..3).for_each(|_| world.happens(Event::Wake));
    assert_eq!((world.machine.state(), world.next.due, world.starts), (WarmState::Cold, None, 1));
}

#[test]
fn one_that_ended_in_its_sleep_is_started_and_not_woken() {
    let mut world = World::new(Never, None, Some(secs(600)));
    world.happens(Event::Arrive);
    (0..3).for_each(|_| world.happens(Event::Done));
    world.happens(Event::End);
    world.happens(Event::Done);
    world.happens(Event::Exit);
    assert_eq!(world.machine.state(), WarmState::Cold);
    world.happens(Event::Arrive);
    assert_eq!(world.next.due.unwrap().step, Step::Start);
}

#[test]
fn those_who_wait_when_it_is_cooled_are_use_like_any_other() {
    let mut world = World::new(Fixed::new(secs(30)), None, None);
    world.happens(Event::Arrive);
    world.happens(Event::Cool);
    (0..4).for_each(|_| world.happens(Event::Done));
    assert_eq!(world.load.in_flight, 1);
    (0..40).for_each(|_| world.happens(Event::Wake));
    assert_eq!(world.machine.stats(world.now, world.load).idle, secs(0));
    world.happens(Event::End);
    assert_eq!(world.machine.state(), WarmState::Warm);
    let ended = world.now;
    world.happens(Event::Wake);
    assert_eq!((world.now - ended, world.next.due.unwrap().step), (secs(30), Step::Stop));
}

#[test]
fn whoever_is_refused_while_it_is_ready_wants_no_start() {
    let mut world = World::new(Fixed::new(secs(30)), None, None);
    world.happens(Event::Arrive);
    (0..3).for_each(|_| world.happens(Event::Done));
    (0..4).for_each(|_| world.happens(Event::Arrive));
    assert_eq!((world.machine.state(), world.load.waiting), (WarmState::Ramping, 3));
    (0..3).for_each(|_| world.happens(Event::Leave));
    world.happens(Event::Wake);
    world.happens(Event::End);
    world.happens(Event::Wake);
    assert_eq!(world.next.due.unwrap().step, Step::Stop);
}

#[test]
fn one_that_is_cooled_on_its_way_to_sleep_is_stopped() {
    let mut world = World::new(Never, None, Some(secs(600)));
    world.happens(Event::Arrive);
    (0..3).for_each(|_| world.happens(Event::Done));
    world.happens(Event::End);
    assert_eq!(world.next.due.unwrap().step, Step::Sleep);
    world.happens(Event::Cool);
    world.happens(Event::Done);
    assert_eq!(world.next.due.unwrap().step, Step::Stop);
}

#[test]
fn a_stop_that_hangs_after_a_failure_does_not_keep_it_from_being_tried_again() {
    let mut world = World::new(Fixed::new(secs(30)), None, None);
    world.happens(Event::Arrive);
    world.happens(Event::Fail);
    assert_eq!(world.next.due.unwrap().step, Step::Stop);
    world.happens(Event::Wake);
    assert_eq!(world.next.due.unwrap().step, Step::Start, "the wait is long over");
}

#[test]
fn a_ramp_ends_when_its_window_does() {
    let mut world = World::new(Fixed::new(secs(30)), None, None);
    world.happens(Event::Arrive);
    (0..3).for_each(|_| world.happens(Event::Done));
    let began = world.now;
    world.happens(Event::Wake);
    assert_eq!((world.now - began, world.machine.state()), (secs(4), WarmState::Warm));
}

#[test]
fn who_has_little_time_waits_for_one_that_is_woken_but_not_for_one_that_is_started() {
    let mut world = World::new(Never, None, Some(secs(600)));
    let soon = |world: &World| world.machine.can_be_ready(world.now + secs(1), world.now);
    world.happens(Event::Arrive);
    world.now += secs(50);
    (0..3).for_each(|_| world.happens(Event::Done));
    world.happens(Event::End);
    assert!(!soon(&world), "it may have to be started");
    world.happens(Event::Done);
    assert!(soon(&world), "it is asleep");
    world.happens(Event::Arrive);
    assert!(soon(&world), "it is woken");
}

#[test]
fn nobody_waits_to_try_again_when_the_layer_has_gone() {
    let mut world = World::new(Fixed::new(secs(30)), None, None);
    world.happens(Event::Warm);
    world.happens(Event::Fail);
    assert_eq!(world.next.due.unwrap().step, Step::Stop);
    world.machine.close(world.now, world.load);
    world.happens(Event::Done);
    assert!(world.next.is_over, "{:?}", world.next);
}
