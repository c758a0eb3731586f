//! Two thousand streams at once through the gateway: every byte arrives, and nothing stays behind.

mod support;

use std::time::Duration;

use bytes::Bytes;
use dashpot_testkit::model_server::{Config, Distribution, Exchange, ModelServer};
use http::{Request, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use support::{Gateway, held::Held};
use tokio::task::JoinSet;

const STREAMS: usize = 2000;

/// A connection of HTTP/2 carries 200 at once by hyper's default.
const STREAMS_PER_HTTP2_CONNECTION: usize = 200;

/// Longer than two thousand streams take to begin on the busiest machine.
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_streams_at_once_arrive_whole_and_leave_nothing_behind() {
    // A client and a server in this process.
    rlimit::increase_nofile_limit(u64::MAX).expect("the limit of open files can be raised");
    for http2 in [false, true] {
        streams(http2).await;
    }
}

async fn streams(http2: bool) {
    let timed = Config {
        ttft_ms: Distribution::Constant(2000.0),
        gap_ms: Distribution::Constant(10.0),
        output_tokens: Distribution::Uniform { low: 10.0, high: 40.0 },
        ..Config::default()
    };
    // The same seed says the same, at once.
    let oracle = ModelServer::start(Config { time_scale: 0.0, ..timed.clone() }).expect("it starts");
    // One is worked on for hours, and the others wait behind it until all are there: however long that takes.
    let config = Config { concurrency: Some(1), ..timed };
    let upstream = ModelServer::start(config).expect("it starts");
    let variables = [
        // One pool of connections, so that what it keeps is quickly told.
        ("DASHPOT_GATEWAY_UPSTREAM__HTTP2_CONNECTIONS", "1"),
        // All of them at once, although nobody has asked this upstream yet how many it can take.
        ("DASHPOT_GATEWAY_LIMIT__MAX", "2001"),
        ("DASHPOT_GATEWAY_LIMIT__MIN", "2001"),
        ("DASHPOT_GATEWAY_LIMIT__INITIAL", "2001"),
    ];
    let gateway = Gateway::with(&upstream.url(), &variables);
    // The first request makes what every gateway keeps: one connection to the upstream, and a task that ends idle ones.
    ask(&client(false), gateway.url(), STREAMS).await;
    let before = Held::by(&gateway);

    upstream.set_time_scale(1000.0);
    let (direct, url) = (client(false), upstream.url());
    let first = tokio::spawn(async move { ask(&direct, &url, STREAMS).await });
    let begun = |log: &[Exchange]| log.len() == 2 && log[1].head.is_some();
    upstream.wait_for(begun, PATIENCE).await.expect("it begins");
    upstream.set_time_scale(1.0);

    let per_client = if http2 { STREAMS_PER_HTTP2_CONNECTION } else { STREAMS };
    let clients: Vec<_> = (0..STREAMS / per_client).map(|_| client(http2)).collect();
    let mut answers = JoinSet::new();
    for number in 0..STREAMS {
        let (client, url) = (clients[number / per_client].clone(), gateway.url().to_owned());
        answers.spawn(async move { (number, ask(&client, &url, number).await) });
    }
    drop(clients);
    let all = upstream.wait_for(|log| log.len() == STREAMS + 2, PATIENCE).await;
    assert!(all.is_ok(), "{:?}", upstream.stats());
    upstream.set_concurrency(STREAMS + 1);
    let direct = client(false);
    while let Some(answer) = answers.join_next().await {
        let (number, answer) = answer.expect("no task panics");
        let expected = ask(&direct, &oracle.url(), number).await;
        assert!(answer.ends_with(b"data: [DONE]\n\n"), "stream {number} is cut: {answer:?}");
        assert_eq!(answer, expected, "stream {number}");
    }
    let stats = upstream.stats();
    assert_eq!(stats.peak, STREAMS as u64 + 1, "not all streams were under way at once");
    assert_eq!((stats.served, stats.aborted, stats.faulted), (STREAMS as u64 + 1, 0, 0));
    first.abort();

    // The gateway keeps some connections to the upstream for later; they go when the upstream does.
    upstream.shutdown().await;
    before.is_all_that_stays(&gateway).await;
}

fn client(http2: bool) -> Client<HttpConnector, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).http2_only(http2).build_http()
}

async fn ask(client: &Client<HttpConnector, Full<Bytes>>, url: &str, number: usize) -> Bytes {
    let body = serde_json::json!({
        "model": "m",
        "stream": true,
        "messages": [{ "role": "user", "content": format!("Question {number}") }],
    });
    let request = Request::post(format!("{url}/v1/chat/completions"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::from(body.to_string()));
    send(client, request.expect("it is well-formed")).await
}

async fn send(client: &Client<HttpConnector, Full<Bytes>>, request: Request<Full<Bytes>>) -> Bytes {
    let response = client.request(request).await.expect("there is an answer");
    assert_eq!(response.status(), 200);
    response.into_body().collect().await.expect("the answer is whole").to_bytes()
}
