use dashpot_cache::{
    Key,
    verify::{Decision, Learned},
};
use rand::{RngExt, SeedableRng, rngs::SmallRng};

const SERVE: Decision = Decision::Serve { is_proven: true };
const UNPROVEN: Decision = Decision::Serve { is_proven: false };

/// An entry of its own each time.
fn key(n: u32) -> Key {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    Key::from(bytes)
}

#[test]
fn without_outcomes_nothing_is_proven() {
    let learned = Learned::new(0.03);
    assert_eq!(learned.proven_from(), None);
    assert_eq!(learned.decide(key(0), 0.9, 0.5), UNPROVEN);
    assert_eq!(learned.decide(key(0), 0.49, 0.5), Decision::Refuse);
    assert_eq!(learned.until_proven(None).decide(key(0), 1.0, 0.5), Decision::Refuse);
}

#[test]
fn a_share_of_requests_is_explored_whatever_was_learned() {
    let mut learned = Learned::new(0.03).explore(0.2);
    for n in 0..1000 {
        assert_eq!(learned.decide(key(n), 0.9, 0.19), Decision::Explore);
        learned.tell(key(n), 0.9, true);
    }
    assert_eq!(learned.decide(key(0), 0.9, 0.2), SERVE);
}

#[test]
fn right_answers_prove_what_scores_as_well_and_nothing_below() {
    let mut learned = Learned::new(0.03);
    let needed = (1..).find(|n| {
        learned.tell(key(*n), 0.8, true);
        learned.proven_from().is_some()
    });
    assert_eq!(needed, Some(220));
    assert_eq!(learned.proven_from(), Some(0.75));
    assert_eq!(learned.decide(key(0), 0.75, 0.5), SERVE);
    assert_eq!(learned.decide(key(0), 0.74, 0.5), UNPROVEN);
}

#[test]
fn wrong_answers_take_back_what_was_served_without_a_proof() {
    let mut learned = Learned::new(0.03);
    for n in 0..20 {
        learned.tell(key(n), 0.6, n % 4 != 0);
    }
    assert_eq!(learned.decide(key(99), 0.6, 0.5), Decision::Refuse);
    assert_eq!(learned.decide(key(99), 0.9, 0.5), UNPROVEN);
}

#[test]
fn an_entry_that_was_wrong_is_refused_where_all_others_are_served() {
    let mut learned = Learned::new(0.03);
    (1..1000).for_each(|n| learned.tell(key(n), 0.9, true));
    learned.tell(key(0), 0.9, false);
    assert_eq!(learned.decide(key(0), 0.9, 0.5), Decision::Refuse);
    assert_eq!(learned.decide(key(1), 0.9, 0.5), SERVE);
}

#[test]
fn an_entry_that_was_right_often_is_served_where_others_are_not() {
    let mut learned = Learned::new(0.1).until_proven(None);
    (0..100).for_each(|_| learned.tell(key(0), 0.6, true));
    (1..100).for_each(|n| learned.tell(key(n), 0.6, false));
    assert_eq!(learned.decide(key(0), 0.6, 0.5), SERVE);
    assert_eq!(learned.decide(key(1000), 0.6, 0.5), Decision::Refuse);
}

#[test]
fn only_so_many_entries_are_remembered() {
    let mut learned = Learned::new(0.03).most_entries(2);
    (0..3).for_each(|n| learned.tell(key(n), 0.9, false));
    (10..10_000).for_each(|n| learned.tell(key(n), 0.9, true));
    assert_eq!(learned.decide(key(0), 0.9, 0.5), SERVE, "what it was is forgotten");
}

/// How often, of `runs`, the share of wrong answers among all that are served as proven is ever above the bound, with answers that
/// are wrong the more often the lower they score; and how often anything was proven in the end.
fn broken_promises(runs: u64, bound: f64, wrong_at: impl Fn(f64) -> f64) -> (usize, usize) {
    // The share of wrong ones from each threshold on, with scores as often as each other.
    let truth = |from: f64| {
        let scores = (0..1000).map(|n| from + (1.0 - from) * (f64::from(n) + 0.5) / 1000.0);
        scores.map(&wrong_at).sum::<f64>() / 1000.0
    };
    let truths: Vec<f64> = (0..16).map(|step| truth(f64::from(step) / 16.0)).collect();
    let (mut broken, mut proven) = (0, 0);
    for seed in 0..runs {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut learned = Learned::new(bound).most_entries(0);
        let mut is_broken = false;
        for n in 0..3000 {
            let score: f64 = rng.random();
            learned.tell(key(n), score as f32, !rng.random_bool(wrong_at(score)));
            // A look at each would change little and take long.
            if n % 25 == 0
                && let Some(from) = learned.proven_from()
            {
                is_broken |= truths[(from * 16.0) as usize] >= bound;
            }
        }
        broken += usize::from(is_broken);
        proven += usize::from(learned.proven_from().is_some());
    }
    (broken, proven)
}

#[test]
fn the_bound_holds_in_a_thousand_runs_with_many_looks_at_them() {
    // 0.05 of doubt, and three standard deviations of a thousand draws.
    let allowed = 50 + 21;
    let (broken, proven) = broken_promises(1000, 0.05, |score| 0.2 * (1.0 - score));
    println!("falling with the score: {broken} of 1000 broken, {proven} proven");
    assert!(broken <= allowed && proven > 800, "{broken} {proven}");
    let (broken, proven) = broken_promises(1000, 0.05, |_| 0.05);
    println!("at the bound everywhere: {broken} of 1000 broken, {proven} proven");
    assert!(broken <= allowed, "{broken} {proven}");
}

#[test]
fn a_share_of_wrong_answers_at_the_bound_is_not_proven_however_long_it_lasts() {
    // Where few are wrong, what is lost when old outcomes count half would be most of them.
    let mut broken = 0;
    for seed in 0..20 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut learned = Learned::new(0.003).most_entries(0);
        broken += usize::from((0..60_000).any(|n| {
            learned.tell(key(n), rng.random(), !rng.random_bool(0.003));
            n % 25 == 0 && learned.proven_from().is_some()
        }));
    }
    println!("{broken} of 20 broken");
    assert!(broken <= 3, "{broken}");
}

#[test]
fn what_was_proven_is_taken_back_soon_when_answers_become_wrong() {
    for (one_in, most) in [(1, 10), (3, 60), (10, 600)] {
        let mut learned = Learned::new(0.03);
        (0..20_000).for_each(|n| learned.tell(key(n), 0.9, true));
        assert_eq!(learned.decide(key(99_999), 0.9, 0.5), SERVE);
        let taken_back = (1..).find(|n| {
            learned.tell(key(20_000 + n), 0.9, n % one_in != 0);
            learned.proven_from().is_none()
        });
        assert!(taken_back.is_some_and(|n| n <= most), "one in {one_in}: {taken_back:?}");
        assert_eq!(learned.decide(key(99_999), 0.9, 0.5), Decision::Refuse, "it was wrong at last");
    }
}

#[test]
fn low_scores_that_are_always_wrong_take_nothing_back_from_high_ones() {
    let mut learned = Learned::new(0.03);
    for n in 0..8000 {
        learned.tell(key(2 * n), 0.9, true);
        learned.tell(key(2 * n + 1), 0.3, false);
        assert!(n < 220 || learned.proven_from() == Some(0.875), "{n}: {:?}", learned.proven_from());
    }
}

#[test]
fn what_was_wrong_long_ago_counts_less_and_less() {
    let mut learned = Learned::new(0.03);
    (0..8000).for_each(|n| learned.tell(key(n), 0.9, n % 8 != 0));
    let proven = (8000..).find(|n| {
        learned.tell(key(*n), 0.9, true);
        learned.proven_from().is_some()
    });
    // All of them counted in full, it would take 50,000.
    assert!(proven.is_some_and(|n| (12_000..30_000).contains(&n)), "{proven:?}");
}

#[test]
fn the_lowest_threshold_that_is_proven_is_the_one() {
    let mut learned = Learned::new(0.03);
    (0..600).for_each(|n| learned.tell(key(n), if n % 2 == 0 { 0.9 } else { 0.6 }, true));
    assert_eq!(learned.proven_from(), Some(0.5625));
    (600..1200).for_each(|n| learned.tell(key(n), if n % 2 == 0 { 0.9 } else { 0.6 }, n % 2 == 0));
    assert_eq!(learned.proven_from(), Some(0.875));
}
