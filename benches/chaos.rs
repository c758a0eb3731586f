//! What users have of a model server that fares ill, through a bare proxy and through the gateway with its layers.
//!
//! `cargo xtask bench chaos` runs the scenarios of `benches/chaos/scenarios`, thirty seconds each, one after the other, and
//! each of them at the same time before model servers of the testkit, whose times are half as long as a hosted model's:
//!
//! * bare: a reverse proxy of a few lines of axum;
//! * gateway: the gateway as a process of its own, with `benches/chaos/gateway.toml`: its limit and its breaker as they are by default,
//!   but for how long requests wait for a slot;
//! * with warm: the same, told that the model server is one that may have to be waited for.
//!
//! `cargo bench --bench chaos -- flapping` runs those whose name has that in it, and `-- /bare` one side. The variable
//! `CHAOS_SCENARIOS` names another folder.
//!
//! Users come at random times at a set rate, whether or not those before were answered. They leave when there is no first
//! token (of a whole answer: not all of it) after `patience_ms`, and do what the official SDKs do: they ask again, twice at
//! most, when they were refused or not connected.
//!
//! * served: users whose answer ended as it should, with its first token in time and no silence longer than `silence_ms`.
//! * first: the time to the first token of the streams that were answered, from when the user first asked.
//! * cached: those of the answered who had it of the cache.
//! * calls: requests that reached the model server. Those that found nobody there are not among them.

use std::time::Duration;

use dashpot_testkit::load::{Exchange, Load, Mix};
use tokio::time::{Instant, sleep_until};

use crate::{bare::Bare, model::Model, scenario::Scenario, support::Gateway, tally::Tally};

#[path = "chaos/bare.rs"]
mod bare;
#[path = "chaos/model.rs"]
mod model;
#[path = "chaos/scenario.rs"]
mod scenario;
#[path = "../tests/support/mod.rs"]
mod support;
#[path = "chaos/tally.rs"]
mod tally;

/// How the gateway is set up, as its users do it.
const GATEWAY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/chaos/gateway.toml");

/// All is well for so long before a scenario begins, and nothing is counted: a gateway is not started with an incident.
const WARM_UP: Duration = Duration::from_secs(15);

/// What stands between the users and the model.
enum Between {
    Bare(Bare),
    Gateway(Gateway),
}

/// Its name, and what is set beside [`GATEWAY`]; the first is the bare proxy.
const SIDES: [(&str, &[(&str, &str)]); 3] = [
    ("bare", &[]),
    ("gateway", &[]),
    (
        "with warm",
        &[
            ("DASHPOT_GATEWAY_WARM__SERVER", "openai"),
            ("DASHPOT_GATEWAY_WARM__MODEL", "demo"),
            ("DASHPOT_GATEWAY_WARM__KEEP", "always"),
        ],
    ),
];

impl Between {
    fn start(name: &str, variables: &[(&str, &str)], upstream: &str) -> Self {
        if name == "bare" {
            return Self::Bare(Bare::start(upstream));
        }
        // It says what fails, which here is much.
        let common = [("DASHPOT_GATEWAY_UPSTREAM__BASE_URL", upstream), ("RUST_LOG", "off")];
        let variables: Vec<_> = common.into_iter().chain(variables.iter().copied()).collect();
        Self::Gateway(Gateway::of(GATEWAY.as_ref(), &variables))
    }

    fn url(&self) -> &str {
        match self {
            Self::Bare(bare) => bare.url(),
            Self::Gateway(gateway) => gateway.url(),
        }
    }
}

#[tokio::main]
#[allow(clippy::print_stdout, reason = "the report of a bench")]
async fn main() {
    // Nothing is timed where allocations are counted.
    if cfg!(feature = "allocations") {
        return;
    }
    rlimit::increase_nofile_limit(u64::MAX).expect("a process may raise its soft limit");
    let filter = std::env::args().skip(1).find(|arg| !arg.starts_with('-')).unwrap_or_default();
    println!("{:28} {}", "", Tally::HEAD);
    for scenario in Scenario::all() {
        let row = |name: &str| format!("{}/{name}", scenario.title);
        let is_asked_for = |side: &(&str, _)| row(side.0).replace(' ', "-").contains(&filter);
        // At once, so that whatever else the machine does is the same for all.
        let sides = SIDES.into_iter().filter(is_asked_for);
        let runs = sides.map(async |(name, variables)| (name, run(&scenario, name, variables).await));
        for (name, tally) in futures_util::future::join_all(runs).await {
            println!("{:28} {tally}", row(name));
        }
    }
}

async fn run(scenario: &Scenario, name: &str, variables: &[(&str, &str)]) -> Tally {
    let mut model = Model::start(&scenario.model);
    let between = Between::start(name, variables, &model.url());
    let load = Load {
        url: between.url().to_owned(),
        rate: scenario.load.rate,
        time: WARM_UP + Duration::from_secs_f64(scenario.seconds),
        mix: Mix { seed: scenario.load.seed, ..Mix::default() },
        patience: Duration::from_millis(scenario.load.patience_ms),
        retries: scenario.load.retries,
        surges: scenario.surges(),
    };
    let start = Instant::now() + WARM_UP;
    let mut tally = Tally::new(Duration::from_millis(scenario.load.silence_ms));
    let phases = async {
        sleep_until(start).await;
        let before = model.received();
        for (at, phase) in scenario.turns() {
            sleep_until(start + at).await;
            model.turn(phase).await;
        }
        before
    };
    let count = |exchange: &Exchange| {
        if exchange.at >= WARM_UP {
            tally.add(exchange);
        }
    };
    let (_, before) = tokio::join!(load.run(count), phases);
    tally.calls = model.received() - before;
    tally
}
