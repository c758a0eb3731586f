//! The machine among threads: what must be true in whatever order they meet.

use std::{
    collections::HashMap,
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use super::{millis, rules};
use crate::{
    BreakerState, Transition,
    machine::{Machine, Shown},
    rules::Rules,
};

/// Random numbers of one thread.
fn next(random: &mut u64) -> u64 {
    *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *random >> 33
}

/// Threads admit and record at random, while time passes for all of them by some microseconds a call.
fn run(rules: Rules, seed: u64) -> (Machine, Vec<Transition>) {
    let origin = crate::permit::now();
    let machine = Machine::new(Arc::new(rules), origin, seed);
    let (clock, told) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for n in 0..4 {
            let (machine, clock, told) = (&machine, &clock, &told);
            scope.spawn(move || {
                let (mut random, mut open) = (seed * 10 + n, Vec::new());
                for _ in 0..20_000 {
                    let now = || origin + Duration::from_micros(clock.fetch_add(20, Relaxed));
                    let change = if next(&mut random) & 1 == 0 {
                        let (ticket, change) = machine.admit(now);
                        open.extend(ticket);
                        change
                    } else if open.is_empty() {
                        None
                    } else {
                        let ticket = open.swap_remove(next(&mut random) as usize % open.len());
                        let shown = match next(&mut random) % 10 {
                            0..5 => Shown::Success,
                            5..9 => Shown::Failure { retry_after: None, has_begun: false },
                            _ => Shown::Ignored,
                        };
                        machine.record(ticket, shown, now).1
                    };
                    if let Some(change) = change {
                        told.lock().unwrap().push(change);
                    }
                }
                for ticket in open {
                    let (_, change, _) = machine.record(ticket, Shown::Ignored, || origin);
                    assert_eq!(change, None);
                }
            });
        }
    });
    (machine, told.into_inner().unwrap())
}

#[test]
fn each_change_is_told_once_and_no_place_is_lost() {
    let quick =
        Rules { wait: millis(1), max_wait: millis(4), ramp: Duration::ZERO, successes: 1, ..rules(None) };
    let slow = Rules { wait: millis(1), max_wait: millis(4), ramp: millis(2), successes: 3, ..rules(None) };
    for seed in 0..8 {
        for rules in [&quick, &slow] {
            let (machine, told) = run(rules.clone(), seed);
            // Whatever is entered is left, but for the last; and the first was never entered.
            let mut entered = HashMap::from([(BreakerState::Closed, 1_i64)]);
            for change in &told {
                *entered.entry(change.to).or_default() += 1;
                *entered.entry(change.from).or_default() -= 1;
            }
            let stats = machine.stats(crate::permit::now());
            assert_eq!(entered.remove(&stats.state), Some(1), "seed {seed}: {entered:?}");
            assert!(entered.values().all(|&n| n == 0), "seed {seed}: {entered:?}");
            assert_eq!(stats.probes, 0, "seed {seed}");
            assert!(told.len() > 100, "seed {seed}: only {}", told.len());
        }
    }
}

#[test]
fn each_time_that_probes_are_given_up_one_takes_their_place() {
    let origin = crate::permit::now();
    let rules = Rules { wait: millis(10), max_wait: millis(10), probes: 1, ..rules(None) };
    let machine = Machine::new(Arc::new(rules), origin, 1);
    machine.trip("a test", origin, origin);
    let start = Barrier::new(4);
    for round in 1..2_000 {
        let now = origin + round * millis(20);
        let admitted: u32 = thread::scope(|scope| {
            let admit = || {
                start.wait();
                let admitted = (0..8).map(|_| u32::from(machine.admit(|| now).0.is_ok()));
                admitted.sum::<u32>()
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(admit)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!((admitted, machine.stats(now).probes), (1, 1), "in round {round}");
    }
}
