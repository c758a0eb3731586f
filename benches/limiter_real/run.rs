use std::time::Duration;

use dashpot_testkit::model_server::ModelServer;
use tokio::{
    task::JoinSet,
    time::{Instant, interval, sleep_until},
};

use crate::{
    client::{self, Limited, Outcome},
    scenario::Scenario,
};

/// What happened, of one limit in one scenario.
pub(crate) struct Run<'s> {
    pub(crate) scenario: &'s Scenario,
    pub(crate) start: Instant,
    pub(crate) time: Duration,
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) samples: Vec<Sample>,
}

/// The server at one moment.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    /// From the start.
    pub(crate) at: Duration,
    pub(crate) working: u64,
    pub(crate) queued: u64,
}

pub(crate) async fn run<S: Limited>(scenario: &Scenario, time: Duration, service: S) -> Run<'_> {
    let server = ModelServer::start(scenario.server()).expect("a port is free");
    let (start, url) = (Instant::now(), server.url());
    let (outcomes, samples) =
        tokio::join!(load(scenario, start, time, &url, service), operate(scenario, start, time, &server),);
    server.shutdown().await;
    Run { scenario, start, time, outcomes, samples }
}

/// Sends requests when they are due, whatever became of those before.
async fn load<S: Limited>(
    scenario: &Scenario,
    start: Instant,
    time: Duration,
    server: &str,
    service: S,
) -> Vec<Outcome> {
    let mut exchanges = JoinSet::new();
    for (number, at) in scenario.arrivals(time).into_iter().enumerate() {
        sleep_until(start + at).await;
        let request = client::request(server, number, scenario.stream);
        exchanges.spawn(client::exchange(service.clone(), request, scenario.stream));
    }
    exchanges.join_all().await
}

/// Changes the slots when it is time to, and watches what they do.
async fn operate(scenario: &Scenario, start: Instant, time: Duration, server: &ModelServer) -> Vec<Sample> {
    let mut samples = Vec::new();
    let mut tick = interval(Duration::from_millis(10));
    let mut slots = scenario.slots[0];
    loop {
        let at = tick.tick().await - start;
        let third = (at.as_secs_f64() / time.as_secs_f64() * 3.0) as usize;
        let Some(&now) = scenario.slots.get(third) else { return samples };
        if now != slots {
            slots = now;
            server.set_concurrency(slots);
        }
        let stats = server.stats();
        samples.push(Sample { at, working: stats.in_flight, queued: stats.queued });
    }
}
