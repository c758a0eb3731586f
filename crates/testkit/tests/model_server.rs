//! The model server over real sockets, HTTP/1.1 and HTTP/2. What depends on times is tested where time can be paused.
#![allow(clippy::unwrap_used, reason = "clippy knows only functions marked #[test] for tests")]

use std::time::Duration;

use bytes::Bytes;
use dashpot_testkit::model_server::{
    ColdStart, Config, Distribution, End, Exchange, Fault, FaultRule, ModelServer, Stats,
};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(20);
const CHAT: &str = "/v1/chat/completions";

type Http = Client<HttpConnector, Full<Bytes>>;

fn http1() -> Http {
    Client::builder(TokioExecutor::new()).build_http()
}

fn http2() -> Http {
    Client::builder(TokioExecutor::new()).http2_only(true).build_http()
}

fn server() -> ModelServer {
    ModelServer::start(Config::instant()).unwrap()
}

fn post(server: &ModelServer, path: &str, fault: &str, body: impl ToString) -> Request<Full<Bytes>> {
    let request = Request::post(format!("{}{path}", server.url()));
    let request = if fault.is_empty() { request } else { request.header("x-fault", fault) };
    request.body(Full::from(body.to_string())).unwrap()
}

async fn text(response: Response<Incoming>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().into()).unwrap()
}

async fn json(response: Response<Incoming>) -> Value {
    serde_json::from_str(&text(response).await).unwrap()
}

fn chat(stream: bool) -> Value {
    json!({"model": "m", "stream": stream, "messages": [{"role": "user", "content": "Hello"}]})
}

/// A request for a stream in each dialect that has them.
fn streams() -> [(&'static str, Value); 4] {
    let messages = json!([{"role": "user", "content": "Hello"}]);
    [
        (CHAT, json!({"model": "m", "stream": true, "messages": messages})),
        ("/v1/responses", json!({"model": "m", "stream": true, "input": "Hello"})),
        ("/v1/completions", json!({"model": "m", "stream": true, "prompt": "Hello"})),
        ("/v1/messages", json!({"model": "m", "stream": true, "max_tokens": 4000, "messages": messages})),
    ]
}

async fn all_ended(server: &ModelServer, n: usize) -> Vec<Exchange> {
    server.wait_for(|log| log.iter().filter(|one| one.end.is_some()).count() == n, SOON).await.unwrap()
}

#[tokio::test]
async fn the_same_request_gets_the_same_bytes_over_either_protocol_and_after_a_restart() {
    for (path, body) in streams() {
        let mut answers = Vec::new();
        for client in [http1(), http1(), http2()] {
            let server = server();
            let response = client.request(post(&server, path, "", &body)).await.unwrap();
            assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
            answers.push(text(response).await);
        }
        assert!(answers[0].len() > 500, "{path}");
        assert!(answers[0] == answers[1] && answers[0] == answers[2], "{path}");
    }
}

#[tokio::test]
async fn another_seed_says_something_else() {
    let other = ModelServer::start(Config { seed: 1, ..Config::instant() }).unwrap();
    let mut said = Vec::new();
    for server in [server(), other] {
        said.push(text(http1().request(post(&server, CHAT, "", chat(false))).await.unwrap()).await);
    }
    assert_ne!(said[0], said[1]);
}

#[tokio::test]
async fn a_stream_says_what_the_whole_answer_says() {
    let (server, client) = (server(), http1());
    let whole = json(client.request(post(&server, CHAT, "", chat(false))).await.unwrap()).await;
    let stream = text(client.request(post(&server, CHAT, "", chat(true))).await.unwrap()).await;
    let (events, done) = stream.trim_end().rsplit_once("\n\n").unwrap();
    assert_eq!(done, "data: [DONE]");
    let mut said = String::new();
    for event in events.split("\n\n") {
        let event: Value = serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(event["id"], whole["id"]);
        said += event["choices"][0]["delta"]["content"].as_str().unwrap_or_default();
    }
    assert_eq!(said, whole["choices"][0]["message"]["content"]);
}

#[tokio::test]
async fn bad_requests_are_refused_in_the_callers_dialect() {
    let server = ModelServer::start(Config { max_body: 1000, ..Config::instant() }).unwrap();
    let long = format!("\"{}\"", "x".repeat(5000));
    for client in [http1(), http2()] {
        for (body, status) in [("{\"model\":", 400), ("[]", 400), (&*long, 413)] {
            let openai = client.request(post(&server, CHAT, "", body)).await.unwrap();
            assert_eq!(openai.status(), status);
            assert_eq!(json(openai).await["error"]["type"], "invalid_request_error");
            let anthropic = client.request(post(&server, "/v1/messages", "", body)).await.unwrap();
            assert_eq!(anthropic.status(), status);
            let error = json(anthropic).await;
            assert_eq!(error["type"], "error");
            assert_eq!(
                error["error"]["type"],
                if status == 413 { "request_too_large" } else { "invalid_request_error" }
            );
        }
        assert_eq!(client.request(post(&server, "/v1/nothing", "", "{}")).await.unwrap().status(), 404);
        let get = Request::get(format!("{}{CHAT}", server.url())).body(Full::default()).unwrap();
        assert_eq!(client.request(get).await.unwrap().status(), 405);
        let unknown = client.request(post(&server, CHAT, "explode", chat(true))).await.unwrap();
        assert_eq!(unknown.status(), 400);
    }
}

#[tokio::test]
async fn faults_before_the_head_have_their_status() {
    let (server, client) = (server(), http1());
    for (fault, status) in
        [("rate-limit", 429), ("quota", 429), ("error", 500), ("unavailable", 503), ("overloaded", 529)]
    {
        for path in [CHAT, "/v1/messages"] {
            let response = client.request(post(&server, path, fault, chat(true))).await.unwrap();
            assert_eq!(response.status(), status);
            assert_eq!(response.headers().contains_key("retry-after-ms"), fault == "rate-limit");
            assert!(!json(response).await["error"]["message"].as_str().unwrap().is_empty());
        }
    }
    assert!(server.log().iter().all(|one| one.ended(End::Fault) && one.fault.is_some()));
}

#[tokio::test]
async fn faults_in_mid_stream_break_it_as_they_say() {
    for client in [http1(), http2()] {
        let server = server();
        for (path, body) in streams() {
            let cut = client.request(post(&server, path, "truncate;after=4", &body)).await.unwrap();
            let cut = text(cut).await;
            assert_eq!(cut.matches("\n\n").count(), 4, "{path}: a clean end");
            let error = client.request(post(&server, path, "stream-error;after=4", &body)).await.unwrap();
            let error = text(error).await;
            assert!(error.strip_prefix(&cut).unwrap().contains("server_error") || path == "/v1/messages");
            assert!(error.strip_prefix(&cut).unwrap().contains("error"), "{path}");
            let reset = client.request(post(&server, path, "reset;after=4", &body)).await.unwrap();
            assert!(reset.into_body().collect().await.is_err(), "{path}");
            let drip = client.request(post(&server, path, "slow-drip;bytes=997;ms=0", &body)).await.unwrap();
            let plain = client.request(post(&server, path, "", &body)).await.unwrap();
            assert!(text(drip).await == text(plain).await, "{path}: all arrives");
        }
        let log = all_ended(&server, 20).await;
        assert_eq!(log.iter().filter(|one| one.ended(End::Fault)).count(), 12);
    }
}

#[tokio::test]
async fn a_client_that_leaves_is_seen_wherever_it_was() {
    let slow = Config { ttft_ms: Distribution::Constant(1e9), ..Config::default() };
    for client in [http1, http2] {
        for (place, stream) in
            [("in the queue", true), ("before the head", false), ("before the first token", true)]
        {
            let concurrency = (place == "in the queue").then_some(1);
            let server = ModelServer::start(Config { concurrency, ..slow.clone() }).unwrap();
            let holder = client();
            if concurrency.is_some() {
                tokio::spawn(holder.request(post(&server, CHAT, "", chat(false))));
                server.wait_for(|log| log.iter().any(|one| one.admitted.is_some()), SOON).await.unwrap();
            }
            let client = client();
            let exchange = tokio::spawn(client.request(post(&server, CHAT, "", chat(stream))));
            let n = concurrency.unwrap_or(0);
            server
                .wait_for(
                    |log| {
                        log.get(n).is_some_and(|one| if n == 1 { one.stream } else { one.admitted.is_some() })
                    },
                    SOON,
                )
                .await
                .unwrap();
            if place == "before the first token" {
                drop(exchange.await.unwrap().unwrap());
            } else {
                exchange.abort();
            }
            let log = server.wait_for(|log| log[n].ended(End::Aborted), SOON).await.expect(place);
            assert_eq!(log[n].status, (place == "before the first token").then_some(200), "{place}");
            assert_eq!(server.stats().queued, 0, "{place}");
            assert_eq!(server.stats().in_flight, n as u64, "{place}");
        }
    }
}

#[tokio::test]
async fn a_client_that_leaves_in_mid_stream_is_seen() {
    for client in [http1(), http2()] {
        let server = server();
        let mut response = client.request(post(&server, CHAT, "stall;after=2", chat(true))).await.unwrap();
        response.body_mut().frame().await.unwrap().unwrap();
        server.wait_for(|log| log[0].events == 2, SOON).await.unwrap();
        assert_eq!(server.stats().in_flight, 1);
        drop(response);
        all_ended(&server, 1).await;
        let expected = Stats { received: 1, aborted: 1, peak: 1, ..Stats::default() };
        assert_eq!(Stats { connections: 0, ..server.stats() }, expected);
    }
}

#[tokio::test]
async fn a_full_queue_and_a_cold_model_are_refused_in_so_many_words() {
    let config = Config { concurrency: Some(1), queue: Some(0), ..Config::instant() };
    let (server, client) = (ModelServer::start(config).unwrap(), http1());
    let held = client.request(post(&server, CHAT, "stall", chat(true))).await.unwrap();
    let refused = client.request(post(&server, CHAT, "", chat(true))).await.unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(json(refused).await["error"]["message"], "The queue is full");
    drop(held);
    server.wait_for(|log| log[0].end.is_some(), SOON).await.unwrap();
    assert_eq!(client.request(post(&server, CHAT, "", chat(true))).await.unwrap().status(), 200);

    let cold = ColdStart { load: Duration::from_secs(1000), idle: None, reject: true };
    let server = ModelServer::start(Config { cold_start: Some(cold), ..Config::default() }).unwrap();
    let refused = client.request(post(&server, "/v1/messages", "", streams()[3].1.clone())).await.unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()["retry-after"], "1000");
    assert_eq!(json(refused).await["error"]["message"], "The model is loading");
    let health = Request::get(format!("{}/health", server.url())).body(Full::default()).unwrap();
    assert_eq!(json(client.request(health).await.unwrap()).await["loaded"], false);
}

#[tokio::test]
async fn faults_by_rule_come_by_number_and_can_be_set_from_outside() {
    let statuses = async |server: &ModelServer, n: usize| {
        let client = http1();
        let mut statuses = Vec::new();
        for _ in 0..n {
            let response = client.request(post(server, CHAT, "", chat(false))).await.unwrap();
            statuses.push(response.status().as_u16());
            response.into_body().collect().await.unwrap();
        }
        statuses
    };
    let config = || Config { faults: vec![FaultRule::rate(Fault::Error, 0.5)], ..Config::instant() };
    let first = statuses(&ModelServer::start(config()).unwrap(), 40).await;
    assert_eq!(first, statuses(&ModelServer::start(config()).unwrap(), 40).await, "seeded");
    let failed = first.iter().filter(|&&status| status == 500).count();
    assert!((10..=30).contains(&failed), "{failed} of 40");

    let (server, client) = (server(), http1());
    let set = post(&server, "/_control/faults", "", r#"[{"fault": "overloaded", "times": 2}, "quota"]"#);
    let rules = json(client.request(set).await.unwrap()).await;
    assert_eq!(
        rules,
        json!([{"fault": "overloaded", "rate": 1.0, "times": 2}, {"fault": "quota", "rate": 1.0, "times": null}])
    );
    assert_eq!(statuses(&server, 3).await, [529, 529, 429]);
    for wrong in ["{}", "[7]", r#"["explode"]"#, r#"[{"fault": "error", "rate": 2}]"#] {
        let response = client.request(post(&server, "/_control/faults", "", wrong)).await.unwrap();
        assert_eq!(response.status(), 400, "{wrong}");
    }
    server.set_faults(Vec::new());
    assert_eq!(statuses(&server, 1).await, [200]);
}

#[tokio::test]
async fn the_log_tells_the_same_over_http() {
    let (server, client) = (server(), http1());
    text(client.request(post(&server, CHAT, "", chat(true))).await.unwrap()).await;
    let get = async |path: &str| {
        let request = Request::builder().method(Method::GET).uri(format!("{}{path}", server.url()));
        json(client.request(request.body(Full::default()).unwrap()).await.unwrap()).await
    };
    let log = get("/_control/log").await;
    let (seen, exact) = (&log["exchanges"][0], &server.log()[0]);
    assert_eq!((seen["path"].as_str(), seen["end"].as_str()), (Some(CHAT), Some("complete")));
    assert_eq!((seen["bytes"].as_u64(), seen["events"].as_u64()), (Some(exact.bytes), Some(exact.events)));
    assert_eq!(seen["dialect"], "openai-chat");
    let stats = get("/_control/stats").await;
    assert_eq!((&stats["served"], &stats["received"]), (&json!(1), &json!(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_streams_at_once_lose_nothing() {
    let config = Config {
        ttft_ms: Distribution::Constant(0.0),
        gap_ms: Distribution::Constant(10.0),
        output_tokens: Distribution::Constant(40.0),
        tokens_per_event: 2,
        ..Config::default()
    };
    let (server, alone) = (ModelServer::start(config).unwrap(), http1());
    let expected = text(alone.request(post(&server, CHAT, "", chat(true))).await.unwrap()).await;
    // A stream each over HTTP/1, and all on one connection over HTTP/2.
    for (client, n) in [(http1(), 1000), (http2(), 1000)] {
        let (server, expected) = (&server, &expected);
        let streams = (0..n).map(|_| async {
            let response = client.request(post(server, CHAT, "", chat(true))).await.unwrap();
            assert!(text(response).await == *expected);
        });
        futures_util::future::join_all(streams).await;
    }
    drop(alone);
    let stats = server.stats();
    assert_eq!((stats.served, stats.aborted, stats.in_flight), (2001, 0, 0));
    assert!(stats.peak > 500, "{stats:?}");
}

#[tokio::test]
async fn shutdown_ends_every_exchange_and_connection() {
    for client in [http1(), http2()] {
        let server = server();
        let (url, mut stalled) = (server.url(), Vec::new());
        for _ in 0..20 {
            stalled.push(client.request(post(&server, CHAT, "stall", chat(true))).await.unwrap());
        }
        server.shutdown().await;
        for response in stalled {
            assert!(response.into_body().collect().await.is_err());
        }
        let again = Request::get(url).body(Full::default()).unwrap();
        assert!(client.request(again).await.is_err());
    }
}
