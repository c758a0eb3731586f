//! The hybrid histogram, decision by decision, beside a second one that is written from the paper and shares nothing with
//! it: it keeps all idle times, counts them anew each time, and knows no bins but those it makes then.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::time::Duration;

use dashpot_warm::policy::{HybridHistogram, Keep, Moment, Pattern, Policy};
use rand::{RngExt, SeedableRng, rngs::SmallRng};

/// Shahrad et al., "Serverless in the Wild", section 4.2, in minutes. ARIMA is not in it, nor is the forecast that ours has
/// in its place: where most are out of bounds it says only that.
struct Paper {
    idle: Vec<f64>,
}

#[derive(Debug, PartialEq)]
enum Decision {
    /// Keep it for as long as the histogram reaches.
    Standard,
    OutOfBounds,
    /// Unload, load again after the first, keep until the second.
    Windows(f64, f64),
}

impl Paper {
    const RANGE: usize = 240;

    fn decide(&self) -> Decision {
        let within: Vec<f64> = self.idle.iter().copied().filter(|&idle| idle < Self::RANGE as f64).collect();
        let beyond = self.idle.len() - within.len();
        if beyond > 0 && 2 * beyond >= self.idle.len() {
            return Decision::OutOfBounds;
        }
        let mut counts = vec![0.0; Self::RANGE];
        within.iter().for_each(|idle| counts[idle.floor() as usize] += 1.0);
        let mean = counts.iter().sum::<f64>() / counts.len() as f64;
        let squares: f64 = counts.iter().map(|count| (count - mean) * (count - mean)).sum();
        let deviation = (squares / (counts.len() - 1) as f64).sqrt();
        if within.is_empty() || deviation / mean < 2.0 {
            return Decision::Standard;
        }
        // The weighted percentiles: the head rounded down to its minute, the tail up.
        let mut sorted = within;
        sorted.sort_by(f64::total_cmp);
        let percentile = |percent: usize| {
            let rank = (percent * sorted.len()).div_ceil(100).max(1);
            sorted[rank - 1]
        };
        let (head, tail) = (percentile(5).floor(), percentile(99).floor() + 1.0);
        Decision::Windows(head * 0.9, tail * 1.1)
    }
}

fn decision(policy: &HybridHistogram) -> Decision {
    let keep = policy.keep();
    let minutes = |time: Duration| time.as_secs_f64() / 60.0;
    match (policy.pattern(), keep.returns()) {
        (Pattern::Beyond, _) => Decision::OutOfBounds,
        (Pattern::Uncertain, None) => {
            assert_eq!(keep, Keep::stay(Duration::from_secs(240 * 60)));
            Decision::Standard
        }
        (Pattern::Regular, Some((from, until))) => {
            assert_eq!(keep.stays(), Duration::ZERO, "it is unloaded at once");
            Decision::Windows(minutes(from), minutes(until))
        }
        // Without a gap before, it just stays.
        (Pattern::Regular, None) => Decision::Windows(0.0, minutes(keep.stays())),
        (Pattern::Uncertain, Some(_)) => panic!("{keep:?}"),
    }
}

fn same(ours: &Decision, paper: &Decision) -> bool {
    match (ours, paper) {
        (Decision::Windows(from, until), Decision::Windows(head, tail)) => {
            (from - head).abs() < 1e-6 && (until - tail).abs() < 1e-6
        }
        (ours, paper) => ours == paper,
    }
}

/// Idle times in minutes, of some kind.
fn gap(kind: u32, n: u32, random: &mut SmallRng) -> f64 {
    let exponential = |mean: f64, random: &mut SmallRng| -mean * (1.0 - random.random::<f64>()).ln();
    match kind {
        // By the clock, a little early or late.
        0 => 30.0 * random.random_range(0.95..1.05),
        // At random: seldom, often, very seldom.
        1 => exponential(60.0, random),
        2 => exponential(2.0, random),
        3 => exponential(600.0, random),
        // In bursts.
        4 if n.is_multiple_of(10) => exponential(120.0, random),
        4 => random.random_range(0.0..0.2),
        // All the same to the histogram.
        _ => random.random_range(0.0..260.0),
    }
}

#[test]
fn every_decision_is_that_of_a_second_implementation() {
    let (mut decisions, mut kinds) = (0, [0; 3]);
    for seed in 0..20 {
        for kind in 0..6 {
            let mut random = SmallRng::seed_from_u64(seed);
            let (mut ours, mut paper) = (HybridHistogram::new(), Paper { idle: Vec::new() });
            let now = Moment { at: tokio::time::Instant::now().into_std(), unix: Duration::ZERO };
            for n in 0..400 {
                let idle = Duration::from_secs_f64(60.0 * gap(kind, n, &mut random));
                ours.arrived(idle, now);
                paper.idle.push(idle.as_secs_f64() / 60.0);
                let (ours, paper) = (decision(&ours), paper.decide());
                assert!(same(&ours, &paper), "seed {seed}, kind {kind}, after {n}: {ours:?}, {paper:?}");
                decisions += 1;
                kinds[match paper {
                    Decision::Standard => 0,
                    Decision::OutOfBounds => 1,
                    Decision::Windows(..) => 2,
                }] += 1;
            }
        }
    }
    println!("{decisions} decisions are the same; standard, out of bounds, windows: {kinds:?}");
    assert!(kinds.iter().all(|&kind| kind > 1000), "{kinds:?}");
}

#[test]
fn long_pauses_that_are_alike_are_foreseen_and_others_are_not() {
    let now = Moment { at: tokio::time::Instant::now().into_std(), unix: Duration::ZERO };
    let hours = |hours: f64| Duration::from_secs_f64(hours * 3600.0);
    let mut daily = HybridHistogram::new().fallback(hours(0.5));
    assert_eq!(daily.idle(now), Keep::stay(hours(0.5)), "nothing is known");
    for pause in [24.0, 23.5, 24.5] {
        daily.arrived(hours(pause), now);
    }
    let (from, until) = daily.idle(now).returns().unwrap();
    assert_eq!((from, until), (hours(24.0 * 0.85), hours(24.0 * 1.15)));

    let mut erratic = HybridHistogram::new().fallback(hours(0.5));
    for pause in [5.0, 50.0, 9.0, 100.0] {
        erratic.arrived(hours(pause), now);
    }
    assert_eq!(erratic.idle(now), Keep::stay(hours(0.5)));
}
