//! A mixed load with faults for minutes, after which the gateway holds no more than before.
//!
//! Three minutes among the other tests; `cargo xtask soak` runs it for half an hour, of programs built with optimisations,
//! and `--minutes` says how long otherwise. The time is cut into six rounds. In each, users ask at random times, whole
//! answers and streams, in both APIs, and ask again when they are refused; others leave in mid-stream, over HTTP/1.1 and
//! HTTP/2; and the model server does everything that it can do wrong. At the end of a round it is gone, so that no
//! connection to it is left, and then the gateway must have given back everything: exchanges, slots of the limit, tasks
//! and files as they were after the first few requests, and memory within [`GROWTH`] of what it had after two rounds, by
//! when its caches are full.
#![allow(clippy::print_stdout, reason = "the figures are worth reading")]

mod support;

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use dashpot_testkit::{
    load::{Load, Mix},
    model_server::{Config, Distribution, FaultRule, ModelServer},
};
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use support::{Gateway, held::Held};
use tokio::time::{Instant, sleep, timeout};

const ROUNDS: u32 = 6;

/// After so many rounds everything that is kept for long is full.
const WARM_UP: u32 = 2;

/// What an allocator may keep of its own, and no leak: in three minutes these are some 900 bytes a request, in thirty 70.
const GROWTH: u64 = 8 << 20;

/// Users a second, and others who leave.
const RATE: f64 = 60.0;

/// All layers; and what is kept is kept small and for short, so that it is full, and empty, soon.
const VARIABLES: [(&str, &str); 17] = [
    ("DASHPOT_GATEWAY_UPSTREAM__HTTP2_CONNECTIONS", "1"),
    ("DASHPOT_GATEWAY_CACHE__MAX_BYTES", "4194304"),
    ("DASHPOT_GATEWAY_CACHE__TTL_MS", "5000"),
    ("DASHPOT_GATEWAY_CACHE__STALE_WHILE_REVALIDATE_MS", "5000"),
    ("DASHPOT_GATEWAY_CACHE__STALE_IF_ERROR_MS", "5000"),
    ("DASHPOT_GATEWAY_CACHE__FINISH_ALONE", "true"),
    ("DASHPOT_GATEWAY_DEADLINE__FIRST_CONTENT_MS", "2000"),
    ("DASHPOT_GATEWAY_DEADLINE__GAP_MS", "1000"),
    ("DASHPOT_GATEWAY_DEADLINE__TOTAL_MS", "10000"),
    ("DASHPOT_GATEWAY_WARM__SERVER", "openai"),
    ("DASHPOT_GATEWAY_WARM__MODEL", "demo"),
    ("DASHPOT_GATEWAY_WARM__MAX_WAIT_MS", "1000"),
    // The first inference meets the faults too, and one of them is that nothing comes.
    ("DASHPOT_GATEWAY_WARM__START_TIMEOUT_MS", "2000"),
    ("DASHPOT_GATEWAY_SSE__HEARTBEAT_MS", "200"),
    ("DASHPOT_GATEWAY_SSE__PEEK_FIRST_MS", "200"),
    ("DASHPOT_GATEWAY_SSE__RESUME_GRACE_MS", "500"),
    ("DASHPOT_GATEWAY_SSE__RESUME_AGE_MS", "1000"),
];

/// Each of these happens to so many of a thousand requests. None is 503: by that a cold server is known, and then all wait.
const FAULTS: [(&str, u32); 10] = [
    ("rate-limit;ms=200", 10),
    ("error", 20),
    ("overloaded", 10),
    ("stream-error", 10),
    ("stall", 5),
    ("stall;ms=400", 10),
    ("truncate", 10),
    ("reset", 10),
    ("slow-head;ms=500", 20),
    ("slow-drip;bytes=40;ms=5", 20),
];

#[tokio::test(flavor = "multi_thread")]
async fn after_minutes_of_load_and_faults_the_gateway_holds_what_it_held_before() {
    rlimit::increase_nofile_limit(u64::MAX).expect("the limit of open files can be raised");
    // With the pauses between the rounds that is three minutes.
    let seconds =
        std::env::var("DASHPOT_SOAK_SECONDS").map_or(140, |seconds| seconds.parse().expect("a number"));
    let round = Duration::from_secs(seconds) / ROUNDS;

    let model = model(([127, 0, 0, 1], 0).into());
    let address = model.addr();
    let gateway = Gateway::with(&model.url(), &VARIABLES);
    // What every gateway makes with its first requests, and keeps.
    users(&gateway, 0, Duration::from_secs(5)).await;
    model.shutdown().await;
    // By then no stream is kept any more for clients who might come back.
    sleep(Duration::from_secs(3)).await;
    let before = Held::by_idle(&gateway).await;
    println!("before: {before:?}, {} KiB", gateway.rss() >> 10);

    let (mut asked, mut warmed) = (0, 0);
    for number in 1..=ROUNDS {
        let model = self::model(address);
        asked += users(&gateway, number, round).await;
        model.shutdown().await;
        before.is_all_that_stays(&gateway).await;
        let memory = gateway.rss();
        println!("round {number}: {:?}, {} KiB, {asked} requests", Held::by(&gateway), memory >> 10);
        if number == WARM_UP {
            warmed = memory;
        }
        assert!(
            number <= WARM_UP || memory <= warmed + GROWTH,
            "{memory} bytes of memory, and after {WARM_UP} rounds {warmed}"
        );
    }
}

fn model(listen: SocketAddr) -> ModelServer {
    let rule = |(fault, of_a_thousand): (&str, u32)| {
        FaultRule::rate(fault.parse().expect("it is one"), f64::from(of_a_thousand) / 1000.0)
    };
    let config = Config {
        listen,
        ttft_ms: Distribution::LogNormal { median: 60.0, sigma: 0.4 },
        gap_ms: Distribution::LogNormal { median: 5.0, sigma: 0.3 },
        output_tokens: Distribution::Uniform { low: 10.0, high: 60.0 },
        // Its load has peaks that it cannot take.
        concurrency: Some(24),
        faults: FAULTS.into_iter().map(rule).collect(),
        log_capacity: 0,
        ..Config::default()
    };
    ModelServer::start(config).expect("its address is free")
}

/// Those who stay, and those who leave; how many there were.
async fn users(gateway: &Gateway, round: u32, time: Duration) -> u64 {
    let load = Load {
        url: gateway.url().to_owned(),
        rate: RATE,
        time,
        mix: Mix { seed: round.into(), ..Mix::default() },
        patience: Duration::from_secs(3),
        retries: 2,
        surges: Vec::new(),
    };
    let (report, http1, http2) =
        tokio::join!(load.run(|_| ()), leavers(gateway, false, time), leavers(gateway, true, time));
    println!(
        "{}",
        report.to_string().lines().take_while(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
    );
    // How many is a matter of how busy the machine is.
    assert!(round == 0 || report.answered > 0, "it was to be a load, and not a wall: {report}");
    report.all() + http1 + http2
}

/// One after the other asks for a stream, and leaves: before its head, or after some of its events.
async fn leavers(gateway: &Gateway, http2: bool, time: Duration) -> u64 {
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).http2_only(http2).build_http();
    let until = Instant::now() + time;
    let mut number = 0;
    while Instant::now() < until {
        let body = format!(
            r#"{{"model":"demo","stream":true,"messages":[{{"role":"user","content":"Leaver {number} {http2}"}}]}}"#
        );
        let request = Request::post(format!("{}/v1/chat/completions", gateway.url()))
            .header("content-type", "application/json")
            .header("authorization", "Bearer leaver")
            .body(Full::from(body))
            .expect("it is well-formed");
        let read = async {
            let Ok(answer) = client.request(request).await else { return };
            let mut body = answer.into_body();
            while let Some(Ok(_)) = body.frame().await {}
        };
        // An error means that it has left in time.
        drop(timeout(Duration::from_millis(20 * (number % 16)), read).await);
        number += 1;
    }
    number
}
