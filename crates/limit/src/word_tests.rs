//! Here and not in the module itself, which is compiled with loom's atomics too.

use crate::word::{MAX, State, Word, departures};

fn state(in_flight: u32, limit: u32, departed: u32) -> State {
    State { in_flight, limit, waiting: false, departed }
}

fn count(taken: Option<State>) -> Option<u32> {
    taken.map(|state| state.in_flight)
}

fn acquire(word: &Word) -> Option<u32> {
    count(word.acquire())
}

#[test]
fn slots_are_counted_up_to_the_limit_and_back() {
    let word = Word::new(2);
    assert_eq!((acquire(&word), acquire(&word), acquire(&word)), (Some(1), Some(2), None));
    assert_eq!(count(word.acquire_beyond()), Some(3));
    assert!(!word.release());
    assert!(!word.release());
    assert_eq!(word.load(), state(1, 2, 2));
}

#[test]
fn a_limit_below_what_is_in_flight_admits_nobody_until_enough_have_left() {
    let word = Word::new(3);
    while word.acquire().is_some() {}
    assert!(!word.set_limit(1));
    assert_eq!(word.load(), state(3, 1, 0));
    for _ in 0..2 {
        let _ = word.release();
        assert_eq!(acquire(&word), None);
    }
    let _ = word.release();
    assert_eq!(acquire(&word), Some(1));
}

#[test]
fn who_waits_goes_first_and_is_known_to_whoever_makes_room() {
    let word = Word::new(1);
    assert_eq!(acquire(&word), Some(1));
    word.somebody_waits();
    assert_eq!(count(word.acquire_for_waiter()), None);
    assert!(word.load().waiting);
    assert!(word.release(), "the slot is for the one who waits");
    assert_eq!(acquire(&word), None, "a newcomer stands behind");
    assert_eq!(count(word.acquire_for_waiter()), Some(1));
    assert!(word.set_limit(2));
    word.nobody_waits();
    assert_eq!(acquire(&word), Some(2));
}

#[test]
fn what_is_undone_has_not_left() {
    let word = Word::new(1);
    word.acquire();
    assert!(!word.undo());
    assert_eq!(word.load(), state(0, 1, 0));
    word.acquire();
    word.somebody_waits();
    assert!(word.undo(), "who waits may have met it");
}

#[test]
fn the_count_of_departures_wraps_and_touches_nothing_else() {
    let word = Word::new(MAX);
    for _ in 0..(1 << 23) - 1 {
        word.acquire();
        let _ = word.release();
    }
    let before = word.load();
    assert_eq!(before, state(0, MAX, (1 << 23) - 1));
    assert_eq!(acquire(&word), Some(1));
    let _ = word.release();
    assert_eq!(word.load(), state(0, MAX, 0));
    assert_eq!(departures(before.departed, word.load().departed), 1);
}

#[test]
fn no_limit_is_higher_than_can_be_counted() {
    let word = Word::new(u32::MAX);
    assert_eq!(word.load().limit, MAX);
    let _ = word.set_limit(u32::MAX);
    assert_eq!(word.load(), state(0, MAX, 0));
    for _ in 0..MAX {
        word.acquire();
    }
    assert_eq!(word.acquire_beyond(), None);
}
