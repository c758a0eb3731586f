//! Clients that are gone after a random event of their stream.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use dashpot_testkit::model_server::{Config, Distribution, End, ModelServer};
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use super::Gateway;

/// So many at once, over HTTP/2 on one connection.
const CLIENTS: usize = 32;

/// A client leaves after fewer events than this; none means right after the head.
const EVENTS: u64 = 50;

/// In every request, so that it is known again at the model server.
const NUMBER: &str = "x-number";

/// The limit of the gateway out of the way: a kill is to be felt, not a refusal.
pub(crate) const VARIABLES: [(&str, &str); 4] = [
    // One pool of connections, so that what it keeps is quickly told.
    ("DASHPOT_GATEWAY_UPSTREAM__HTTP2_CONNECTIONS", "1"),
    ("DASHPOT_GATEWAY_LIMIT__MAX", "1000"),
    ("DASHPOT_GATEWAY_LIMIT__MIN", "1000"),
    ("DASHPOT_GATEWAY_LIMIT__INITIAL", "1000"),
];

/// A model with an event about every 10 ms, whose streams are over long after the last client has left.
pub(crate) fn model(log_capacity: usize) -> ModelServer {
    let config = Config {
        ttft_ms: Distribution::Constant(1.0),
        gap_ms: Distribution::LogNormal { median: 10.0, sigma: 0.3 },
        output_tokens: Distribution::Constant(300.0),
        log_capacity,
        ..Config::default()
    };
    ModelServer::start(config).expect("it starts")
}

/// So many clients, and for each how long the model went on after it had left; in order.
///
/// # Panics
///
/// If the model was not told to stop for each of them.
pub(crate) async fn kill(model: &ModelServer, gateway: &Gateway, http2: bool, count: usize) -> Vec<Duration> {
    let before = model.stats();
    let shared = client(http2);
    let mut clients = JoinSet::new();
    for first in 0..CLIENTS {
        let client = if http2 { shared.clone() } else { client(false) };
        let url: Arc<str> = format!("{}/v1/chat/completions", gateway.url()).into();
        clients.spawn(async move {
            let mut left = Vec::new();
            for number in (first..count).step_by(CLIENTS) {
                left.push((number, leave(&client, &url, number).await));
            }
            left
        });
    }
    let mut left = vec![None; count];
    while let Some(done) = clients.join_next().await {
        done.expect("no client fails").into_iter().for_each(|(number, at)| left[number] = Some(at));
    }
    drop(shared);
    for _ in 0..1000 {
        if model.stats().aborted == before.aborted + count as u64 {
            break;
        }
        sleep(Duration::from_millis(10)).await;
    }

    let mut times = Vec::new();
    for exchange in model.log() {
        let Some(number) = exchange.headers.get(NUMBER) else { continue };
        let number: usize = number.to_str().ok().and_then(|number| number.parse().ok()).expect("ours");
        let left = left[number].take().expect("each is asked for once");
        match exchange.end {
            Some((End::Aborted, at)) => times.push(at.saturating_duration_since(left)),
            _ => panic!("the model was not told to stop: {exchange:#?}"),
        }
    }
    assert_eq!(times.len(), count, "the model was not asked for each");
    times.sort();
    times
}

/// Reads a random number of events, and is gone.
async fn leave(client: &Client<HttpConnector, Full<Bytes>>, url: &str, number: usize) -> Instant {
    let body =
        r#"{"model":"m","stream":true,"max_tokens":100000,"messages":[{"role":"user","content":"Hello"}]}"#;
    let request = Request::post(url)
        .header("content-type", "application/json")
        .header(NUMBER, number)
        .body(Full::from(body))
        .expect("it is well-formed");
    let answer = client.request(request).await.expect("there is an answer");
    assert_eq!(answer.status(), 200);
    let mut body = answer.into_body();
    let mut events = random(number as u64) % EVENTS;
    while events > 0 {
        let frame = body.frame().await.expect("it has no end").expect("it does not break");
        let data = frame.data_ref().map_or(&[][..], |data| data);
        let ends = data.windows(2).filter(|pair| pair == b"\n\n").count();
        events = events.saturating_sub(ends as u64);
    }
    let now = Instant::now();
    drop(body);
    now
}

/// The same for each number in each run (splitmix64).
fn random(number: u64) -> u64 {
    let mut z = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn client(http2: bool) -> Client<HttpConnector, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).http2_only(http2).build_http()
}
