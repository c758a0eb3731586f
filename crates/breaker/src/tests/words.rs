//! The three kinds of words that requests share, by one thread. `tests/loom.rs` tries them with more.

use proptest::prelude::*;

use crate::{
    streak::Streak,
    window::{BUCKETS, Counts, Moment, Window},
    word::{Control, Phase, Probe, State, Word},
};

fn probing() -> Word {
    Word::new(State::new(Phase::HalfOpen, Control::Automatic, 9))
}

proptest! {
    #[test]
    fn a_state_is_found_as_it_was_left(
        phase in prop::sample::select(&[Phase::Closed, Phase::Open, Phase::HalfOpen, Phase::Recovering][..]),
        control in prop::sample::select(
            &[Control::Automatic, Control::ForcedOpen, Control::ForcedClosed, Control::MetricsOnly][..],
        ),
        generation: u32,
        (round, out, succeeded) in any::<(u8, u8, u8)>(),
    ) {
        let state = State { round, out, succeeded, ..State::new(phase, control, generation) };
        prop_assert_eq!(Word::new(state).load(), state);
    }
}

#[test]
fn a_probe_has_a_place_until_it_is_back() {
    let word = probing();
    let first = word.send_probe(9, |_| 2).unwrap();
    let second = word.send_probe(9, |_| 2).unwrap();
    assert_eq!(word.send_probe(9, |_| 2), None);
    word.probe_undone(first);
    assert!(word.send_probe(9, |_| 2).is_some());
    assert_eq!(word.probe_succeeded(second), Some(1));
    assert_eq!((word.load().out, word.load().succeeded), (1, 1));
}

#[test]
fn one_of_an_earlier_round_counts_but_gives_no_place_back() {
    let word = probing();
    let early = word.send_probe(9, |_| 1).unwrap();
    word.change(|state| Some(State { round: 1, out: 0, ..state }));
    word.send_probe(9, |_| 1).unwrap();
    assert_eq!(word.probe_succeeded(early), Some(1));
    assert_eq!(word.load().out, 1);
}

#[test]
fn one_of_another_generation_changes_nothing() {
    let word = probing();
    let before = word.load();
    assert_eq!(word.send_probe(8, |_| 1), None);
    let probe = Probe { generation: 8, round: 0 };
    assert_eq!(word.probe_succeeded(probe), None);
    word.probe_undone(probe);
    assert_eq!(word.load(), before);
}

#[test]
fn a_success_begins_it_anew() {
    let streak = Streak::default();
    assert_eq!([0; 3].map(|generation| streak.add(generation, 1)), [1, 2, 3]);
    streak.broken(0);
    assert_eq!(streak.add(0, 1), 1);
}

#[test]
fn each_generation_has_its_own_and_one_that_is_over_has_none() {
    let streak = Streak::default();
    for generation in [0, 7, 1 << 30, 1 << 31, 3 << 30, u32::MAX] {
        assert_eq!([streak.add(generation, 1), streak.add(generation, 1)], [1, 2]);
        let over = generation.wrapping_sub(1);
        assert_eq!(streak.add(over, 1), 0);
        streak.broken(over);
        assert_eq!(streak.add(generation, 1), 3);
        streak.broken(generation);
    }
    assert_eq!(streak.add(0, 1), 1, "numbers come again");
}

fn at(epoch: u64) -> Moment {
    Moment { generation: 3, epoch }
}

proptest! {
    #[test]
    fn it_counts_what_a_plain_list_would(
        calls in prop::collection::vec((0_u64..5, any::<bool>(), any::<bool>()), 0..200),
        begin in 0_u64..1 << 40,
    ) {
        let (window, mut epoch, mut list) = (Window::new(), begin, Vec::new());
        for (passed, failed, slow) in calls {
            epoch += passed * passed;
            window.call(at(epoch), failed);
            if slow {
                window.slow(at(epoch));
            }
            list.push((epoch, failed, slow));
            list.retain(|&(then, ..)| then + BUCKETS > epoch);
            let counts = Counts {
                calls: list.len() as u64,
                failed: list.iter().filter(|call| call.1).count() as u64,
                slow: list.iter().filter(|call| call.2).count() as u64,
            };
            prop_assert_eq!(window.counts(at(epoch)), counts);
        }
    }
}

#[test]
fn after_whatever_idle_time_nothing_is_known_and_calls_count() {
    // By laps: a weekend of 30-second windows is some thousands.
    for laps in [1, 10, 5_760, 6_553, 6_554, 65_535, 65_536, 1_000_000, (1 << 20) - 16, (1 << 20) + 1] {
        let window = Window::new();
        window.call(at(5), true);
        let later = at(5 + laps * BUCKETS);
        assert_eq!(window.counts(later), Counts::default(), "{laps}");
        window.call(later, false);
        assert_eq!(window.counts(later), Counts { calls: 1, ..Counts::default() }, "{laps}");
    }
}

#[test]
fn who_is_late_to_write_adds_to_no_other_bucket() {
    let window = Window::new();
    window.call(at(1_000), false);
    for (generation, epoch) in [(3, 990), (3, 850), (2, 1_000), (2, 1_010)] {
        window.call(Moment { generation, epoch }, true);
    }
    assert_eq!(window.counts(at(1_000)), Counts { calls: 1, failed: 0, slow: 0 });
}

#[test]
fn a_bucket_that_is_full_keeps_its_ratio() {
    let window = Window::new();
    for n in 0..1_000_000 {
        window.call(at(0), n % 4 == 0);
    }
    let Counts { calls, failed, .. } = window.counts(at(0));
    assert!((1 << 17..1 << 18).contains(&calls), "{calls}");
    assert!((failed as f64 / calls as f64 - 0.25).abs() < 1e-3, "{failed} of {calls}");
}

#[test]
fn what_is_cleared_is_unknown_to_a_generation_with_the_same_tag() {
    let window = Window::new();
    window.call(at(7), true);
    window.clear();
    assert_eq!(window.counts(Moment { generation: 3 + 256, epoch: 7 }), Counts::default());
}
