//! The gateway's clocks in front of a model server that is late, over real sockets.

mod support;

use std::time::Duration;

use bytes::Bytes;
use dashpot_testkit::model_server::{Config, Distribution, End, Fault, FaultRule, ModelServer};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use support::Gateway;

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";
/// Nothing here takes so long on any machine.
const PATIENCE: Duration = Duration::from_secs(60);

const QUICK: [(&str, &str); 3] = [
    ("DASHPOT_GATEWAY_DEADLINE__FIRST_CONTENT_MS", "500"),
    ("DASHPOT_GATEWAY_DEADLINE__GAP_MS", "400"),
    ("DASHPOT_GATEWAY_DEADLINE__HEADER", "x-request-timeout-ms"),
];

async fn ask(gateway: &Gateway, path: &str, time: Option<&str>) -> Response<Incoming> {
    let body =
        r#"{"model":"m","stream":true,"max_tokens":1000,"messages":[{"role":"user","content":"Hello"}]}"#;
    send(gateway, path, body, time).await
}

async fn send(gateway: &Gateway, path: &str, body: &'static str, time: Option<&str>) -> Response<Incoming> {
    let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let mut request = Request::post(format!("{}{path}", gateway.url()));
    if let Some(time) = time {
        request = request.header("x-request-timeout-ms", time);
    }
    let request = request.body(Full::from(body)).expect("it is well-formed");
    client.request(request).await.expect("there is an answer")
}

async fn text(answer: Response<Incoming>) -> String {
    let bytes = answer.into_body().collect().await.expect("it ends in order").to_bytes();
    String::from_utf8(bytes.to_vec()).expect("it is text")
}

/// A model that writes a token each 50 ms.
fn model() -> ModelServer {
    ModelServer::start(Config {
        ttft_ms: Distribution::Constant(10.0),
        gap_ms: Distribution::Constant(50.0),
        output_tokens: Distribution::Constant(20.0),
        ..Config::default()
    })
    .expect("it starts")
}

async fn is_let_go(upstream: &ModelServer) {
    let aborted = |log: &[dashpot_testkit::model_server::Exchange]| {
        log.last().is_some_and(|last| last.ended(End::Aborted))
    };
    upstream.wait_for(aborted, PATIENCE).await.expect("the upstream is let go");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_does_not_begin_is_a_504_in_the_callers_words() {
    let upstream = model();
    let gateway = Gateway::with(&upstream.url(), &QUICK);
    upstream.set_faults(vec![FaultRule::rate(Fault::SlowHead { delay: Duration::from_secs(100) }, 1.0)]);
    for path in [CHAT, MESSAGES] {
        let answer = ask(&gateway, path, None).await;
        assert_eq!(answer.status(), StatusCode::GATEWAY_TIMEOUT, "{path}");
        let said: Value = serde_json::from_str(&text(answer).await).expect("it is JSON");
        let why = said["error"]["message"].as_str().unwrap_or_default();
        assert!(why.contains("did not begin in time"), "{path}: {said}");
        assert_eq!(said.get("type").is_some(), path == MESSAGES, "{said}");
        is_let_go(&upstream).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_stalls_ends_with_an_error_event_and_one_that_is_slow_does_not() {
    let upstream = model();
    let gateway = Gateway::with(&upstream.url(), &QUICK);
    let whole = text(ask(&gateway, CHAT, None).await).await;
    assert!(whole.ends_with("data: [DONE]\n\n"), "a second of tokens is no gap: {whole}");

    upstream.set_faults(vec![FaultRule::rate(Fault::Stall { after: 3, time: None }, 1.0)]);
    for (path, begins) in [(CHAT, "data: {\"error\""), (MESSAGES, "event: error\ndata: {\"type\":\"error\"")]
    {
        let said = text(ask(&gateway, path, None).await).await;
        let last = said.trim_end().rsplit("\n\n").next().unwrap_or_default();
        assert!(last.starts_with(begins) && last.contains("stopped in the middle"), "{path}: {said}");
        is_let_go(&upstream).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_may_ask_for_less_time() {
    let upstream = model();
    let gateway = Gateway::with(&upstream.url(), &QUICK);
    let said = text(ask(&gateway, CHAT, Some("300")).await).await;
    assert!(said.contains("was not complete in time"), "{said}");
    is_let_go(&upstream).await;
    let whole = text(ask(&gateway, CHAT, Some("30000")).await).await;
    assert!(whole.ends_with("data: [DONE]\n\n"), "{whole}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wants_the_whole_has_the_clocks_of_the_stream_that_it_is_made_of() {
    let upstream = model();
    let variables = [&QUICK[..], &[("DASHPOT_GATEWAY_MODE__UPSTREAM", "stream")]].concat();
    let gateway = Gateway::with(&upstream.url(), &variables);
    let body = r#"{"model":"m","max_tokens":1000,"messages":[{"role":"user","content":"Hello"}]}"#;
    // It takes twice as long as its first token may, and longer than a gap.
    let answer = send(&gateway, CHAT, body, None).await;
    let said: Value = serde_json::from_str(&text(answer).await).expect("it is JSON");
    assert!(said["usage"]["completion_tokens"].as_u64() >= Some(20), "{said}");

    upstream.set_faults(vec![FaultRule::rate(Fault::Stall { after: 3, time: None }, 1.0)]);
    for path in [CHAT, MESSAGES] {
        let answer = send(&gateway, path, body, None).await;
        assert!(answer.status().is_server_error(), "{path}: {}", answer.status());
        let said: Value = serde_json::from_str(&text(answer).await).expect("it is JSON");
        let why = said["error"]["message"].as_str().unwrap_or_default();
        assert!(why.contains("stopped in the middle"), "{path}: {said}");
        is_let_go(&upstream).await;
    }
}
