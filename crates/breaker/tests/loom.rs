//! Every order in which threads can meet at the atomic words, tried by loom.
//!
//! The very files of the crate are compiled with loom's atomics, so that no second build of everything is needed.
#![allow(clippy::unwrap_used, reason = "a test")]

mod atomic {
    pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};
}
#[allow(dead_code, clippy::duplicate_mod, reason = "the crate's own module, of which this uses a part")]
#[path = "../src/streak.rs"]
mod streak;
#[allow(dead_code, clippy::duplicate_mod, reason = "as above")]
#[path = "../src/window.rs"]
mod window;
#[allow(dead_code, clippy::duplicate_mod, reason = "as above")]
#[path = "../src/word.rs"]
mod word;

use loom::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
};
use streak::Streak;
use window::{BUCKETS, Counts, Moment, Window};
use word::{Control, Phase, Probe, State, Word};

const GENERATION: u32 = 7;

fn in_phase(phase: Phase) -> Arc<Word> {
    Arc::new(Word::new(State::new(phase, Control::Automatic, GENERATION)))
}

/// One at first, two when that one has succeeded.
fn places(state: State) -> u8 {
    1 << state.succeeded.min(1)
}

fn send(word: &Word) -> Option<Probe> {
    word.send_probe(GENERATION, places)
}

/// As under the machine's lock: the generation ends, whatever probes do.
fn end(word: &Word) -> State {
    let next = State::new(Phase::Open, Control::Automatic, GENERATION + 1);
    word.change(|_| Some(next)).unwrap()
}

/// As under the machine's lock: those that are out are no longer waited for.
fn next_round(word: &Word) {
    word.change(|state| Some(State { round: state.round + 1, out: 0, ..state }));
}

#[test]
fn one_place_is_given_once_and_comes_back() {
    loom::model(|| {
        let word = in_phase(Phase::HalfOpen);
        let probe = |word: Arc<Word>| {
            move || {
                let sent = send(&word);
                if let Some(probe) = sent {
                    assert_eq!(word.load().out, 1);
                    word.probe_undone(probe);
                }
                u8::from(sent.is_some())
            }
        };
        let other = thread::spawn(probe(word.clone()));
        let mine = probe(word.clone())();
        assert!(mine + other.join().unwrap() >= 1, "one at least comes first");
        assert_eq!((word.load().out, word.load().succeeded), (0, 0));
        assert!(send(&word).is_some(), "a place was lost");
    });
}

#[test]
fn no_more_are_out_than_those_that_are_back_allow_and_no_success_is_lost() {
    loom::model(|| {
        let word = in_phase(Phase::HalfOpen);
        let first = send(&word).unwrap();
        let other = thread::spawn({
            let word = word.clone();
            move || word.probe_succeeded(first)
        });
        let sent = [send(&word), send(&word)].into_iter().flatten().count() as u8;
        assert_eq!(other.join().unwrap(), Some(1));
        let state = word.load();
        assert_eq!((state.out, state.succeeded), (sent, 1));
    });
}

#[test]
fn two_successes_are_two_and_one_of_them_is_the_last() {
    loom::model(|| {
        let word = in_phase(Phase::HalfOpen);
        let probes = [0; 2].map(|_| word.send_probe(GENERATION, |_| 2).unwrap());
        let other = thread::spawn({
            let word = word.clone();
            move || word.probe_succeeded(probes[0]).unwrap()
        });
        let mine = word.probe_succeeded(probes[1]).unwrap();
        let theirs = other.join().unwrap();
        assert_eq!((mine.min(theirs), mine.max(theirs)), (1, 2));
        assert_eq!(word.load().out, 0);
    });
}

#[test]
fn a_success_counts_before_the_end_of_its_generation_or_not_at_all() {
    loom::model(|| {
        let word = in_phase(Phase::HalfOpen);
        let probe = send(&word).unwrap();
        let other = thread::spawn({
            let word = word.clone();
            move || word.probe_succeeded(probe)
        });
        let next = end(&word);
        assert!(matches!(other.join().unwrap(), None | Some(1)));
        assert_eq!(word.load(), next, "the next generation knows nothing of it");
    });
}

#[test]
fn none_is_sent_for_a_generation_that_is_over() {
    loom::model(|| {
        let word = in_phase(Phase::HalfOpen);
        let other = thread::spawn({
            let word = word.clone();
            move || send(&word)
        });
        let next = end(&word);
        let sent = other.join().unwrap();
        assert_eq!(word.load(), next);
        assert!(send(&word).is_none());
        if let Some(probe) = sent {
            word.probe_undone(probe);
            assert_eq!(word.load(), next);
        }
    });
}

#[test]
fn a_probe_that_is_given_up_as_it_comes_back_has_no_place_in_the_next_round() {
    loom::model(|| {
        let word = in_phase(Phase::HalfOpen);
        let early = send(&word).unwrap();
        let other = thread::spawn({
            let word = word.clone();
            move || word.probe_undone(early)
        });
        next_round(&word);
        let late = send(&word);
        other.join().unwrap();
        assert_eq!(late.unwrap().round, 1);
        assert_eq!(word.load().out, 1, "the place of the next round was given back by another");
    });
}

#[test]
fn whoever_sees_a_state_sees_until_when_it_is() {
    loom::model(|| {
        let (word, until) = (in_phase(Phase::Closed), Arc::new(AtomicU64::new(0)));
        let other = thread::spawn({
            let (word, until) = (word.clone(), until.clone());
            move || {
                until.store(100, Relaxed);
                end(&word);
            }
        });
        if word.load().phase == Phase::Open {
            assert_eq!(until.load(Relaxed), 100);
        }
        other.join().unwrap();
    });
}

#[test]
fn failures_at_once_are_all_in_the_streak_and_none_of_an_old_generation() {
    loom::model(|| {
        let streak = Arc::new(Streak::default());
        let others = [(GENERATION, "its own"), (GENERATION - 1, "an old one")].map(|(generation, _)| {
            let streak = streak.clone();
            thread::spawn(move || streak.add(generation, 1))
        });
        let mine = streak.add(GENERATION, 1);
        let [theirs, old] = others.map(|other| other.join().unwrap());
        assert_eq!((mine.min(theirs), mine.max(theirs)), (1, 2));
        assert!(old <= 1);
        assert_eq!(streak.add(GENERATION, 1), 3);
    });
}

#[test]
fn a_success_of_an_old_generation_does_not_break_the_streak() {
    loom::model(|| {
        let streak = Arc::new(Streak::default());
        streak.add(GENERATION - 1, 1);
        let other = thread::spawn({
            let streak = streak.clone();
            move || streak.broken(GENERATION - 1)
        });
        streak.add(GENERATION, 1);
        other.join().unwrap();
        assert_eq!(streak.add(GENERATION, 1), 2);
    });
}

#[test]
fn calls_at_once_are_all_in_the_bucket_of_their_moment() {
    loom::model(|| {
        let (old, new) = (3, 3 + BUCKETS);
        let at = |epoch| Moment { generation: GENERATION, epoch };
        let window = Arc::new(Window::new());
        window.call(at(old), true);
        let others = [(new, true), (old, true)].map(|(epoch, failed)| {
            let window = window.clone();
            thread::spawn(move || window.call(at(epoch), failed))
        });
        window.call(at(new), false);
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(window.counts(at(new)), Counts { calls: 2, failed: 1, slow: 0 });
    });
}

#[test]
fn no_call_of_an_old_generation_is_in_the_window_of_the_new_one() {
    loom::model(|| {
        let at = |generation| Moment { generation, epoch: 3 };
        let window = Arc::new(Window::new());
        window.call(at(GENERATION), true);
        window.clear();
        let other = thread::spawn({
            let window = window.clone();
            move || window.call(at(GENERATION), true)
        });
        window.call(at(GENERATION + 1), false);
        other.join().unwrap();
        assert_eq!(window.counts(at(GENERATION + 1)), Counts { calls: 1, failed: 0, slow: 0 });
    });
}
