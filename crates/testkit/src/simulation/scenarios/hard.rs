//! Where a limiter that looks for a queue is expected to lose: the queue does not show, or time is too short.

use super::plain::usual;
use crate::simulation::{Kind, Mix, Scenario, Slo};

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut hits = usual("hits", "nine of ten come from a cache in 5 ms", 1.5, 32.0);
    hits.phases[0].mix.hits = 0.9;
    let mut urgent = usual("priority", "the upstream prefers three of ten", 1.5, 32.0);
    urgent.phases[0].mix.urgent = 0.3;
    let cold =
        usual("cold", "twice as slow when idle as when busy", 0.2, 32.0).then(30.0, |next| next.load = 1.5);
    let slow = Scenario::new(
        "slow",
        "4 slots of 20 s: one request in three seconds",
        1.5,
        4.0,
        Mix::latency(20_000.0, 0.5),
        Slo::Total(80.0),
    );
    let mut chance = usual("chance", "one in 100 is answered 503 by chance", 1.5, 96.0);
    chance.phases[0].mix.overloads = 0.01;
    vec![
        hits,
        chance,
        urgent,
        Scenario { kind: Kind::Queue { cold: 1.0 }, ..cold },
        Scenario { length_s: 1800.0, ..slow },
    ]
}
