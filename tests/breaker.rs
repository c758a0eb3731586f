//! The gateway's breaker in front of a model server that fails in each of its ways, over real sockets.
#![allow(clippy::print_stdout, reason = "the times are worth reading")]

mod support;

use std::time::Duration;

use bytes::Bytes;
use dashpot_testkit::model_server::{Config, Distribution, Fault, FaultRule, ModelServer};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use support::Gateway;
use tokio::time::{Instant, sleep, timeout};

const CHAT: &str = "/v1/chat/completions";
/// Nothing here takes so long on any machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// No client waits longer for the next piece of an answer.
const GIVES_UP: Duration = Duration::from_millis(400);

/// Quick to come back, so that the tests are.
const QUICK: [(&str, &str); 6] = [
    ("DASHPOT_GATEWAY_BREAKER__WAIT_MS", "300"),
    ("DASHPOT_GATEWAY_BREAKER__MAX_WAIT_MS", "1000"),
    ("DASHPOT_GATEWAY_BREAKER__RAMP_MS", "1000"),
    ("DASHPOT_GATEWAY_BREAKER__SILENCE_MS", "200"),
    // What is refused is to be seen.
    ("DASHPOT_GATEWAY_BREAKER__MAX_HELD", "0"),
    ("DASHPOT_GATEWAY_BREAKER__FAILURE_RATIO", "0.5"),
];

type Http = Client<HttpConnector, Full<Bytes>>;

fn client() -> Http {
    Client::builder(TokioExecutor::new()).build_http()
}

async fn send(client: &Http, url: &str, credential: &str) -> Response<Incoming> {
    let body =
        r#"{"model":"m","stream":true,"max_tokens":100,"messages":[{"role":"user","content":"Hello"}]}"#;
    let request = Request::post(format!("{url}{CHAT}"))
        .header("authorization", format!("Bearer {credential}"))
        .body(Full::from(body))
        .expect("it is well-formed");
    client.request(request).await.expect("there is an answer")
}

/// What a client got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Got {
    /// The whole answer.
    Answer,
    /// The upstream's failure, in whatever form.
    Failure,
    /// Nothing, for as long as it waits.
    Silence,
    /// The breaker's word.
    Refusal,
}

async fn ask(client: &Http, gateway: &Gateway) -> Got {
    ask_as(client, gateway, "a").await
}

async fn ask_as(client: &Http, gateway: &Gateway, credential: &str) -> Got {
    let Ok(answer) = timeout(GIVES_UP, send(client, gateway.url(), credential)).await else {
        return Got::Silence;
    };
    let status = answer.status();
    let hint = answer.headers().contains_key("retry-after-ms");
    let mut body = answer.into_body();
    let mut bytes = Vec::new();
    loop {
        match timeout(GIVES_UP, body.frame()).await {
            Ok(Some(Ok(frame))) => bytes.extend(frame.into_data().unwrap_or_default()),
            Ok(None) => break,
            Ok(Some(Err(_))) | Err(_) => return Got::Failure,
        }
    }
    if bytes.ends_with(b"data: [DONE]\n\n") && status == StatusCode::OK {
        return Got::Answer;
    }
    let words = String::from_utf8_lossy(&bytes);
    if status == StatusCode::SERVICE_UNAVAILABLE && words.contains("not called for a while") {
        assert!(hint, "it says when to come back");
        return Got::Refusal;
    }
    Got::Failure
}

fn since(then: Instant) -> Duration {
    Instant::now().saturating_duration_since(then)
}

async fn state(gateway: &Gateway, name: &str) -> f64 {
    let request = Request::get(format!("{}/metrics", gateway.url())).body(Full::default());
    let answer = client().request(request.expect("it is well-formed")).await.expect("there is an answer");
    let metrics = answer.into_body().collect().await.expect("it is whole").to_bytes();
    let metrics = String::from_utf8(metrics.to_vec()).expect("it is text");
    let line = format!("gateway_breakers{{state=\"{name}\"}} ");
    let value = metrics.lines().find_map(|metric| metric.strip_prefix(&line)).expect("it is published");
    value.parse().expect("it is a number")
}

async fn closes(gateway: &Gateway) {
    let closed = async {
        while state(gateway, "closed").await < 1.0 {
            // A breaker changes when somebody asks.
            ask(&client(), gateway).await;
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, closed).await.expect("it closes");
}

fn upstream() -> ModelServer {
    ModelServer::start(Config {
        ttft_ms: Distribution::Constant(5.0),
        gap_ms: Distribution::Constant(2.0),
        output_tokens: Distribution::Constant(5.0),
        ..Config::default()
    })
    .expect("it starts")
}

/// Every way in which the model server can fail a stream: it opens, keeps away, and comes back.
#[tokio::test(flavor = "multi_thread")]
async fn it_opens_on_every_fault_keeps_away_and_comes_back() {
    let slow = Fault::SlowHead { delay: Duration::from_secs(100) };
    let faults = [
        Fault::Error,
        Fault::Unavailable,
        Fault::Overloaded,
        Fault::StreamError { after: 2 },
        Fault::Truncate { after: 2 },
        Fault::Reset { after: 2 },
        Fault::Stall { after: 2, time: None },
        slow,
    ];
    println!(
        "| fault | failures until it opened | ms | asked while open | reached the upstream | back to full, ms |"
    );
    println!("|---|---|---|---|---|---|");
    for fault in faults {
        let upstream = upstream();
        let gateway = Gateway::with(&upstream.url(), &QUICK);
        let client = client();
        for _ in 0..10 {
            assert_eq!(ask(&client, &gateway).await, Got::Answer, "{fault}");
        }

        upstream.set_faults(vec![FaultRule::rate(fault, 1.0)]);
        let (began, mut failures, mut doubtful) = (Instant::now(), 0, 0);
        loop {
            match ask(&client, &gateway).await {
                Got::Refusal => break,
                // On a busy machine one may be tired of waiting for an answer that is to break off later. Whether the
                // breaker has waited long enough by then to take it for a failure, nobody can tell from here.
                Got::Silence if fault != slow => doubtful += 1,
                _ => failures += 1,
            }
            assert!(failures + doubtful < 50, "{fault}: it does not open");
        }
        let opened = since(began);
        // Five in a row; or, where answers had begun and broke off, half of all that there were.
        let is_in_midst = matches!(
            fault,
            Fault::StreamError { .. } | Fault::Truncate { .. } | Fault::Reset { .. } | Fault::Stall { .. }
        );
        let needed = if is_in_midst { 10 } else { 5 };
        assert!(failures <= needed && needed <= failures + doubtful, "{fault}: {failures} and {doubtful}");

        // It is open for 150 ms at least, and then one probe after the other fails.
        let (received, mut asked, mut wrong) = (upstream.stats().received, 0, 0);
        let open = Instant::now();
        while since(open) < Duration::from_secs(2) {
            asked += 1;
            wrong += u64::from(ask(&client, &gateway).await != Got::Refusal);
            sleep(Duration::from_millis(5)).await;
        }
        let reached = upstream.stats().received - received;
        assert_eq!(reached, wrong, "{fault}: whatever is not refused is a probe");
        assert!(reached <= 8, "{fault}: {reached} of {asked} reached the upstream");

        upstream.set_faults(Vec::new());
        let well = Instant::now();
        let mut in_a_row = 0;
        while in_a_row < 50 {
            in_a_row = if ask(&client, &gateway).await == Got::Answer { in_a_row + 1 } else { 0 };
            assert!(since(well) < PATIENCE, "{fault}: it does not come back");
        }
        let back = since(well);
        closes(&gateway).await;
        let (opened, back) = (opened.as_millis(), back.as_millis());
        println!("| {fault} | {failures} | {opened} | {asked} | {reached} | {back} |");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_is_gone_is_not_called_until_it_is_back() {
    let mut upstream = upstream();
    let gateway = Gateway::with(&upstream.url(), &QUICK);
    let client = client();
    assert_eq!(ask(&client, &gateway).await, Got::Answer);
    let listen = upstream.addr();
    upstream.shutdown().await;
    for _ in 0..5 {
        assert_eq!(ask(&client, &gateway).await, Got::Failure);
    }
    assert_eq!(ask(&client, &gateway).await, Got::Refusal);
    assert_eq!(state(&gateway, "open").await, 1.0);

    let config = Config { listen, ..Config::instant() };
    upstream = timeout(PATIENCE, async {
        loop {
            match ModelServer::start(config.clone()) {
                Ok(server) => return server,
                // Its old connections may still have the address.
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        }
    })
    .await
    .expect("the address becomes free");
    closes(&gateway).await;
    assert_eq!(ask(&client, &gateway).await, Got::Answer);
    drop(upstream);
}

/// What people do, and what clients do wrong, opens nothing.
#[tokio::test(flavor = "multi_thread")]
async fn clients_that_leave_and_limits_of_rate_leave_it_closed() {
    let upstream = upstream();
    let gateway = Gateway::with(&upstream.url(), &QUICK);
    let client = client();
    for _ in 0..30 {
        drop(send(&client, gateway.url(), "a").await);
    }
    for fault in [Fault::Quota, Fault::RateLimit { retry_after: Duration::from_secs(1) }] {
        upstream.set_faults(vec![FaultRule::rate(fault, 1.0)]);
        for _ in 0..30 {
            let answer = send(&client, gateway.url(), "a").await;
            assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS, "{fault}");
        }
    }
    for _ in 0..10 {
        let request = Request::post(format!("{}{CHAT}", gateway.url())).body(Full::from("{"));
        let answer = client.request(request.expect("it is well-formed")).await;
        assert!(answer.expect("there is one").status().is_client_error());
    }
    upstream.set_faults(Vec::new());
    assert_eq!(ask(&client, &gateway).await, Got::Answer);
    assert_eq!(state(&gateway, "closed").await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spent_allowance_keeps_its_own_credential_away_and_no_other() {
    let upstream = upstream();
    let variables = [("DASHPOT_GATEWAY_BREAKER__BY_CREDENTIAL", "true")];
    let gateway = Gateway::with(&upstream.url(), &[&QUICK[..], &variables].concat());
    let client = client();
    upstream.set_faults(vec![FaultRule::next(Fault::Quota, 1)]);
    let answer = send(&client, gateway.url(), "poor").await;
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    let words = answer.into_body().collect().await.expect("it is whole").to_bytes();
    assert!(String::from_utf8_lossy(&words).contains("insufficient_quota"), "{words:?}");

    assert_eq!(ask_as(&client, &gateway, "poor").await, Got::Refusal);
    assert_eq!(ask_as(&client, &gateway, "rich").await, Got::Answer);
    assert_eq!((state(&gateway, "open").await, state(&gateway, "closed").await), (1.0, 2.0));
    assert_eq!(upstream.stats().received, 2);
}

/// Tokens that are signed are longer than a key may be.
#[tokio::test(flavor = "multi_thread")]
async fn a_credential_has_a_breaker_of_its_own_however_long_it_is() {
    let upstream = upstream();
    let variables = [("DASHPOT_GATEWAY_BREAKER__BY_CREDENTIAL", "true")];
    let gateway = Gateway::with(&upstream.url(), &[&QUICK[..], &variables].concat());
    let client = client();
    let [poor, rich] = ["poor", "rich"].map(|name| name.repeat(200));
    upstream.set_faults(vec![FaultRule::next(Fault::Quota, 1)]);
    let answer = send(&client, gateway.url(), &poor).await;
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    answer.into_body().collect().await.expect("it is whole");

    assert_eq!(ask_as(&client, &gateway, &poor).await, Got::Refusal);
    assert_eq!(ask_as(&client, &gateway, &rich).await, Got::Answer);
}
