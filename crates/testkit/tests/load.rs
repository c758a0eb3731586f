//! The load against the model server.

#![cfg(feature = "load")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use dashpot_testkit::{
    load::{Load, Mix},
    model_server::{Config, Distribution, FaultRule, ModelServer},
};

fn load(url: String) -> Load {
    let (rate, time, patience) = (200.0, Duration::from_millis(500), Duration::from_secs(5));
    Load { url, rate, time, mix: Mix::default(), patience, retries: 0, surges: Vec::new() }
}

#[tokio::test]
async fn all_are_answered_and_what_is_measured_is_what_the_server_takes() {
    let config = Config {
        ttft_ms: Distribution::Constant(50.0),
        gap_ms: Distribution::Constant(10.0),
        output_tokens: Distribution::Constant(5.0),
        ..Config::default()
    };
    let server = ModelServer::start(config).unwrap();
    let mut told = 0;
    let report = load(server.url()).run(|_| told += 1).await;
    assert!(report.all() > 50 && report.all() == told, "{report}");
    assert_eq!(report.answered, report.all(), "{report}");
    // At least what the server waits; no clock bounds it from above.
    assert!(report.first_token(0.0) >= Duration::from_millis(50), "{report}");
    assert!(report.whole(0.0) >= Duration::from_millis(90), "{report}");
    assert_eq!(report.hits, 0);
}

#[tokio::test]
async fn what_goes_wrong_is_told_apart() {
    let server = ModelServer::start(Config { time_scale: 0.0, ..Config::default() }).unwrap();
    for (fault, end) in
        [("overloaded", "failed with 529"), ("rate-limit", "refused with 429"), ("reset", "broke off")]
    {
        server.set_faults(vec![FaultRule::rate(fault.parse().unwrap(), 1.0)]);
        let report = load(server.url()).run(|_| ()).await;
        assert!(report.to_string().contains(end) && report.answered == 0, "{fault}: {report}");
    }
    let nobody = load("http://127.0.0.1:1".into()).run(|_| ()).await;
    assert!(nobody.to_string().contains("had no answer"), "{nobody}");
}

#[tokio::test]
async fn a_client_that_asks_again_is_answered_where_one_that_does_not_is_refused() {
    let server = ModelServer::start(Config { time_scale: 0.0, ..Config::default() }).unwrap();
    let few = |retries| Load { rate: 20.0, retries, ..load(server.url()) };
    for (retries, answered) in [(0, false), (1, true)] {
        server.set_faults(vec![FaultRule::next("error".parse().unwrap(), 3)]);
        let mut attempts = 0;
        let report = few(retries).run(|exchange| attempts += u64::from(exchange.attempts)).await;
        assert_eq!(report.answered == report.all(), answered, "{report}");
        assert_eq!(attempts, report.all() + if answered { 3 } else { 0 }, "{report}");
    }
}
