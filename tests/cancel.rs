//! A client that leaves, at any moment and over either version of HTTP, is felt at the upstream at once.
#![allow(clippy::print_stdout, reason = "the times are worth reading")]

mod support;

use std::time::Duration;

use bytes::Bytes;
use dashpot_testkit::model_server::{Config, Distribution, End, Exchange, ModelServer};
use http::{Request, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use support::{Gateway, held::Held, kills};
use tokio::time::Instant;

/// What the promise is: from the client's leaving to the end of the upstream's work.
const AT_ONCE: Duration = Duration::from_millis(100);

/// Where in its exchange a client leaves.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// The request waits for a slot at the model.
    Queued,
    /// The head is there, and no token.
    BeforeTheFirstToken,
    /// Tokens are coming.
    InMidStream,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_frees_the_upstream_at_once() {
    for http2 in [false, true] {
        for moment in [Moment::Queued, Moment::BeforeTheFirstToken, Moment::InMidStream] {
            leave(http2, moment).await;
        }
    }
}

/// `cargo bench --bench kills` does the same with more clients, and holds the times to the promise; here other tests may
/// run beside.
#[tokio::test(flavor = "multi_thread")]
async fn clients_that_leave_after_any_event_leave_nothing_behind() {
    const CLIENTS: usize = 500;
    for http2 in [false, true] {
        let model = kills::model(CLIENTS);
        let gateway = Gateway::with(&model.url(), &kills::VARIABLES);
        kills::kill(&model, &gateway, http2, 64).await;
        let before = Held::by(&gateway);
        let times = kills::kill(&model, &gateway, http2, CLIENTS).await;
        let [p50, p99] = [50, 99].map(|percent| times[CLIENTS * percent / 100]);
        println!(
            "HTTP/2 {http2}: {CLIENTS} clients were gone at the upstream after {p50:.1?} (p50), {p99:.1?} (p99)"
        );
        assert!(p99 < Duration::from_secs(1), "HTTP/2 {http2}: {p99:?}");
        model.shutdown().await;
        before.is_all_that_stays(&gateway).await;
    }
}

async fn leave(http2: bool, moment: Moment) {
    let ttft_ms = if matches!(moment, Moment::InMidStream) { 1.0 } else { 60_000.0 };
    let upstream = ModelServer::start(Config {
        ttft_ms: Distribution::Constant(ttft_ms),
        gap_ms: Distribution::Constant(50.0),
        output_tokens: Distribution::Constant(10_000.0),
        concurrency: Some(if matches!(moment, Moment::Queued) { 1 } else { 2 }),
        ..Config::default()
    })
    .expect("it starts");
    let gateway = Gateway::start(&upstream.url());
    // Over HTTP/2 both streams are on one connection, which stays: the one that leaves is known by its reset alone.
    let client = Client::builder(TokioExecutor::new()).http2_only(http2).build_http();
    let other = ask(&client, &gateway).await.expect("the other stream begins");

    let this = tokio::spawn({
        let answer = ask(&client, &gateway);
        async move {
            let mut body = answer.await.expect("there is a head").into_body();
            while body.frame().await.is_some_and(|frame| frame.is_ok()) {}
        }
    });
    let is_there = |exchange: &Exchange| match moment {
        Moment::Queued => exchange.admitted.is_none() && upstream.stats().queued == 1,
        Moment::BeforeTheFirstToken => exchange.head.is_some(),
        Moment::InMidStream => exchange.events > 3,
    };
    let timeout = Duration::from_secs(10);
    upstream
        .wait_for(|log| log.get(1).is_some_and(is_there), timeout)
        .await
        .expect("it comes to that moment");
    let left = Instant::now();
    this.abort();
    let log = upstream.wait_for(|log| log[1].end.is_some(), timeout).await.expect("the upstream notices");
    let (end, at) = log[1].end.expect("it has ended");
    let after = at.saturating_duration_since(left);
    println!("{moment:?}, HTTP/2 {http2}: the upstream saw the abort after {after:?}");
    assert_eq!(end, End::Aborted, "{moment:?}, HTTP/2 {http2}");
    assert!(after < AT_ONCE, "{moment:?}, HTTP/2 {http2}: {after:?}");
    assert!(log[0].end.is_none(), "{moment:?}, HTTP/2 {http2}: the other stream goes on");
    drop(other);
}

fn ask(
    client: &Client<HttpConnector, Full<Bytes>>,
    gateway: &Gateway,
) -> hyper_util::client::legacy::ResponseFuture {
    let body =
        r#"{"model":"m","stream":true,"max_tokens":100000,"messages":[{"role":"user","content":"Hello"}]}"#;
    let request = Request::post(format!("{}/v1/chat/completions", gateway.url()))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::from(body));
    client.request(request.expect("it is well-formed"))
}
