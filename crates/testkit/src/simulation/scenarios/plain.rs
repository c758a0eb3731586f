//! Answers that come whole, from a queue or by processor sharing.

use crate::simulation::{Kind, Mix, Scenario, Slo};

/// 32 at once, each for 100 ms, and good within four times that; 1.5 times too much unless something else is said.
pub(super) fn usual(name: &'static str, about: &'static str, load: f64, slots: f64) -> Scenario {
    Scenario::new(name, about, load, slots, Mix::latency(100.0, 0.3), Slo::Total(0.4))
}

pub(super) fn scenarios() -> Vec<Scenario> {
    // What is 1.2 times too much for 64 slots is 4.8 times too much for 16.
    let (few, many) = ((16.0, 4.8), (64.0, 1.2));
    let b = usual("B", "64 slots become 16", many.1, many.0).then(30.0, |next| (next.slots, next.load) = few);
    let b2 =
        usual("B2", "16 slots become 64", few.1, few.0).then(30.0, |next| (next.slots, next.load) = many);
    let mut flapping = usual("H7", "32 slots and 16 by turns of 10 s", 0.8, 32.0);
    for turn in 1..6 {
        flapping = flapping.then(f64::from(turn) * 10.0, |next| {
            (next.slots, next.load) = if turn % 2 == 1 { (16.0, 1.6) } else { (32.0, 0.8) };
        });
    }
    let with = |scenario: Scenario, mix: Mix, slo: f64| {
        let mut scenario = scenario;
        (scenario.phases[0].mix, scenario.slo) = (mix, Slo::Total(slo));
        scenario
    };
    vec![
        usual("A", "1.5 times too much for 32 slots of 100 ms", 1.5, 32.0),
        Scenario { length_s: 1800.0, ..usual("A2", "the same for 30 minutes", 1.5, 32.0) },
        b,
        b2,
        usual("C", "5 requests a second for 32 slots", 5.0 / 320.0, 32.0),
        usual("C2", "5 requests a second, then 1.2 times too much", 5.0 / 320.0, 32.0)
            .then(30.0, |next| next.load = 1.2),
        with(
            usual("D", "service becomes twice as slow at 0.7 load", 0.7, 32.0),
            Mix::latency(100.0, 0.3),
            0.8,
        )
        .then(30.0, |next| next.slow = 2.0),
        with(usual("H1", "8 slots of 20 ms, exponential", 1.5, 8.0), Mix::latency(20.0, 1.0), 0.08),
        usual("H2", "twice too much for 200 slots", 2.0, 200.0),
        with(usual("H4", "variation 2", 1.5, 32.0), Mix::latency(100.0, 2.0), 0.4),
        usual("H5", "32 slots become 96", 3.6, 32.0).then(30.0, |next| (next.slots, next.load) = (96.0, 1.2)),
        flapping,
        Scenario {
            length_s: 300.0,
            ..with(usual("J1", "16 slots of 2 s, variation 0.8", 1.5, 16.0), Mix::latency(2000.0, 0.8), 8.0)
        },
        Scenario { kind: Kind::Sharing, ..usual("P1", "processor sharing with a knee at 32", 1.5, 32.0) },
    ]
}
