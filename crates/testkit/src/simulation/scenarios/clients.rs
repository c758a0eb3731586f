//! Clients that leave, try again, or are many; answers that do not come from the upstream; and model servers.

use super::plain::usual;
use crate::simulation::{Answers, Batch, Bursts, Kind, Mix, Scenario, Slo, Spread};

fn with(scenario: Scenario, change: impl Fn(&mut Mix)) -> Scenario {
    let mut scenario = scenario;
    scenario.phases.iter_mut().for_each(|phase| change(&mut phase.mix));
    scenario
}

fn model(name: &'static str, about: &'static str, load: f64) -> Scenario {
    let scenario =
        Scenario::new(name, about, load, 32.0, Mix::model(Answers::Streamed, 0.2), Slo::FirstToken(1.0));
    Scenario { length_s: 300.0, ..scenario }
}

/// Slots that a memory of 40,000 tokens does not fill: about 57 requests of 700 tokens fit.
fn batching(name: &'static str, about: &'static str, load: f64) -> Scenario {
    let batch = Batch { kv_tokens: 40_000, queue: 32, prefill_ms: (30.0, 0.4), gap_ms: (10.0, 0.3) };
    let mut mix = Mix::latency(0.0, 0.0);
    mix.answers = Answers::Streamed;
    mix.prompt = Spread::new(500.0, 0.5);
    mix.output = vec![(1.0, Spread::new(200.0, 0.8))];
    let scenario = Scenario::new(name, about, load, 64.0, mix, Slo::FirstToken(1.0));
    Scenario { kind: Kind::Batching(batch), length_s: 300.0, ..scenario }
}

/// Streams whose clients wait 2.5 s for the first token, and everything takes longer by a factor for a time.
fn brown_out(name: &'static str, about: &'static str, load: f64, slow: f64, length_s: f64) -> Scenario {
    let mut mix = Mix::latency(0.0, 0.0);
    mix.answers = Answers::Streamed;
    (mix.first_ms, mix.gap_ms) = (Spread::new(160.0, 0.4), 10.0);
    mix.output = vec![(1.0, Spread::new(50.0, 0.35))];
    (mix.patience_ms, mix.retries) = (Some(2500.0), 2);
    let scenario = Scenario::new(name, about, load, 64.0, mix, Slo::FirstToken(2.5))
        .then(30.0, |next| (next.slow, next.load) = (slow, slow * load))
        .then(30.0 + length_s, |next| (next.slow, next.load) = (1.0, load));
    Scenario { length_s: 60.0 + length_s, ..scenario }
}

/// The same for 15 s, in which one in ten fails at once; three in ten are no streams, and their clients wait for all of it.
fn failing_brown_out() -> Scenario {
    let name = "brown-out whole";
    let about = "four times as slow for 15 s, three in ten whole, one in ten fails";
    let mut scenario = with(brown_out(name, about, 0.45, 4.0, 15.0), |mix| mix.whole = 0.3);
    scenario.phases[1].mix.failures = 0.1;
    scenario
}

/// Streams of an upstream that works on all at once, each the slower the more there are beyond 32.
fn shared(name: &'static str, about: &'static str, load: f64, knee: f64) -> Scenario {
    let scenario = brown_out(name, about, 1.0, 1.0, 0.0);
    let mut mix = scenario.phases[0].mix.clone();
    mix.patience_ms = None;
    let scenario = Scenario::new(name, about, load, knee, mix, Slo::FirstToken(1.0));
    Scenario { kind: Kind::Sharing, length_s: 300.0, ..scenario }
}

pub(super) fn scenarios() -> Vec<Scenario> {
    let up_and_down = usual("steps", "32 slots become 16, and 32 again", 1.5, 32.0)
        .then(30.0, |next| (next.slots, next.load) = (16.0, 3.0))
        .then(60.0, |next| (next.slots, next.load) = (32.0, 1.5));
    let dip = usual("dip", "32 slots become 8, and 32 again; clients wait 500 ms", 1.5, 32.0)
        .then(30.0, |next| (next.slots, next.load) = (8.0, 6.0))
        .then(60.0, |next| (next.slots, next.load) = (32.0, 1.5));
    let storm =
        usual("retries", "3 times too much for 20 s, each tried 3 times more; well 30 s later?", 0.7, 32.0)
            .then(20.0, |next| next.load = 3.0)
            .then(40.0, |next| next.load = 0.7);
    let storm = with(storm, |mix| (mix.patience_ms, mix.retries) = (Some(1000.0), 3));
    vec![
        Scenario { length_s: 90.0, ..up_and_down },
        usual("poisoned", "3 times too much from the first moment, then 1.2", 3.0, 32.0)
            .then(30.0, |next| next.load = 1.2),
        with(usual("failures", "one in 20 fails in less than 1 ms", 1.5, 32.0), |mix| mix.failures = 0.05),
        Scenario {
            bursts: Some(Bursts { high: (2.0, 2.0), low: (0.5, 6.0) }),
            ..usual("bursts", "2 s of 2 times too much, 6 s of half", 1.0, 32.0)
        },
        with(model("cancels", "half of the clients leave at some time within 6 s", 1.5), |mix| {
            mix.abandon = (0.5, 6000.0);
        }),
        with(usual("timeouts", "clients wait 500 ms, at twice too much", 2.0, 32.0), |mix| {
            mix.patience_ms = Some(500.0);
        }),
        with(Scenario { length_s: 90.0, ..dip }, |mix| mix.patience_ms = Some(500.0)),
        with(model("stuck", "one stream in 100 breaks off unnoticed for 60 s", 1.5), |mix| {
            mix.stuck = (0.01, 60_000.0);
        }),
        Scenario { length_s: 100.0, unnoticed: true, recovers_from_s: Some(40.0), ..storm },
        brown_out("brown-out", "four times as slow for 15 s, at 0.45 load", 0.45, 4.0, 15.0),
        brown_out("brown-out 60", "four times as slow for 60 s, at 0.45 load", 0.45, 4.0, 60.0),
        brown_out("brown-out 2", "twice as slow for 30 s, at 0.45 load", 0.45, 2.0, 30.0),
        failing_brown_out(),
        Scenario { length_s: 7200.0, ..usual("soak", "16 slots for two hours", 1.5, 16.0) },
        batching("batching", "a model server in batches, with 503 at 32 waiting", 1.5),
        batching("prompts", "prompts become four times as long, at 0.7 load", 0.7)
            .then(150.0, |next| next.mix.prompt = Spread::new(2000.0, 0.5)),
        batching("batching calm", "the same, calm for 60 s before", 0.3).then(60.0, |next| next.load = 1.5),
        shared("shared", "streams, all worked on at once, a knee at 32, calm for 60 s", 0.3, 32.0)
            .then(60.0, |next| next.load = 1.5),
        shared("shared high", "the same, and busy before that, with a knee at 128", 1.5, 128.0)
            .then(60.0, |next| (next.slots, next.load) = (32.0, 0.3))
            .then(120.0, |next| next.load = 1.5),
        Scenario {
            kind: Kind::Queue { cold: 0.0 },
            ..shared("long", "answers become five times as long, at 1.5 load", 1.5, 64.0)
        }
        .then(60.0, |next| next.mix.output = vec![(1.0, Spread::new(250.0, 0.35))]),
        Scenario { limiters: 4, ..usual("4 limiters", "four limiters before 64 slots", 1.5, 64.0) },
        Scenario { limiters: 32, ..usual("32 limiters", "32 limiters before 128 slots", 1.5, 128.0) },
    ]
}
