//! The simulation against what is known of queues.

use dashpot_testkit::simulation::{Controller, Mix, Oracle, Report, Scenario, Slo, scenarios};

/// Admits all.
#[derive(Debug)]
struct Open;

impl Controller for Open {
    fn limit(&self) -> u32 {
        u32::MAX
    }
}

fn run(scenario: &Scenario, seed: u64, make: fn() -> Box<dyn Controller>) -> Report {
    let mut controllers: Vec<_> = (0..scenario.limiters).map(|_| make()).collect();
    scenario.run(seed, &mut controllers)
}

#[test]
fn a_full_system_without_a_queue_refuses_what_erlangs_formula_says() {
    let offered = 48.0;
    let blocked = (1..=32).fold(1.0, |blocked, k| offered * blocked / (f64::from(k) + offered * blocked));
    for cv in [0.3, 2.0] {
        let mix = Mix::latency(100.0, cv);
        let mut scenario = Scenario::new("", "", 1.5, 32.0, mix, Slo::Total(10.0));
        scenario.length_s = 600.0;
        let report = run(&scenario, 1, || Box::new(Oracle::new()));
        assert!((report.shed - blocked).abs() < 0.02, "cv {cv}: {} and not {blocked}", report.shed);
        assert!(report.wait_p99 < 1e-9, "cv {cv}: {}", report.wait_p99);
    }
}

#[test]
fn before_one_server_the_share_that_waits_is_the_load() {
    for (load, waits) in [(0.4, false), (0.6, true)] {
        let mut scenario = Scenario::new("", "", load, 1.0, Mix::latency(100.0, 1.0), Slo::Total(10.0));
        scenario.length_s = 2000.0;
        let median = run(&scenario, 1, || Box::new(Open)).wait_p50;
        assert_eq!(median > 0.0, waits, "load {load}: {median}");
    }
}

#[test]
fn a_refusal_is_called_false_only_up_to_seven_tenths_of_the_load() {
    for (load, is_calm) in [(0.7, true), (0.71, false)] {
        let scenario = Scenario::new("", "", load, 8.0, Mix::latency(100.0, 1.0), Slo::Total(10.0));
        let report = run(&scenario, 1, || Box::new(Oracle::new()));
        assert!(report.shed > 0.0);
        assert_eq!(report.false_shed.is_finite(), is_calm, "load {load}: {}", report.false_shed);
    }
}

#[test]
fn every_attempt_has_one_fate() {
    for mut scenario in scenarios::all() {
        scenario.length_s = scenario.length_s.min(45.0);
        scenario.recovers_from_s = None;
        let counts = run(&scenario, 1, || Box::new(Oracle::new())).counts;
        let fates = counts.refused + counts.completed + counts.failed + counts.overloaded + counts.left;
        assert_eq!(counts.attempts, fates + counts.unfinished, "{}: {counts:?}", scenario.name);
    }
}

#[test]
fn a_seed_gives_the_same_run_again_and_another_a_different_one() {
    let scenario = scenarios::named("retries").unwrap();
    let counts = |seed| run(&scenario, seed, || Box::new(Oracle::new())).counts;
    assert_eq!(counts(1), counts(1));
    assert_ne!(counts(1), counts(2));
}

#[test]
fn a_limit_that_is_always_the_true_one_converges_at_once() {
    for scenario in scenarios::all().iter().filter(|scenario| scenario.limiters == 1) {
        let took = run(scenario, 1, || Box::new(Oracle::new())).convergence;
        assert!(took.is_nan() || took <= 1.0, "{}: {took} s", scenario.name);
    }
}
