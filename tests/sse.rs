//! What the gateway puts into streams, and what it holds back of them, over real sockets.

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
use serde_json::{Value, json};
use support::Gateway;

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";
const RESPONSES: &str = "/v1/responses";
const BEAT: &str = ": keep-alive\n\n";

async fn ask(url: &str, path: &str) -> Response<Incoming> {
    let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let mut body = json!({"model": "m", "stream": true});
    if path == RESPONSES {
        body["input"] = "Hello".into();
    } else {
        body["messages"] = json!([{"role": "user", "content": "Hello"}]);
        body["max_tokens"] = 100.into();
    }
    let request = Request::post(format!("{url}{path}")).body(Full::from(body.to_string()));
    client.request(request.expect("it is well-formed")).await.expect("there is an answer")
}

async fn text(answer: Response<Incoming>) -> String {
    let bytes = answer.into_body().collect().await.expect("it ends in order").to_bytes();
    String::from_utf8(bytes.to_vec()).expect("it is text")
}

fn model() -> ModelServer {
    let config = Config {
        ttft_ms: Distribution::Constant(5.0),
        gap_ms: Distribution::Constant(5.0),
        output_tokens: Distribution::Constant(10.0),
        ..Config::default()
    };
    ModelServer::start(config).expect("it starts")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_a_silent_stream_gets_heartbeats_and_the_same_stream() {
    let (upstream, oracle) = (model(), model());
    let gateway = Gateway::with(&upstream.url(), &[("DASHPOT_GATEWAY_SSE__HEARTBEAT_MS", "100")]);
    let time = Some(Duration::from_secs(1));
    upstream.set_faults(vec![FaultRule::rate(Fault::Stall { after: 3, time }, 1.0)]);
    let said = text(ask(gateway.url(), CHAT).await).await;
    let beats = said.matches(BEAT).count();
    assert!((1..=10).contains(&beats), "{beats}: {said}");
    assert_eq!(said.replace(BEAT, ""), text(ask(&oracle.url(), CHAT).await).await);

    let shown = metrics(gateway.url()).await;
    assert!(shown.contains(&format!("gateway_heartbeats_total {beats}\n")), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_stalls_for_good_is_ended_all_the_same() {
    let upstream = model();
    let variables =
        [("DASHPOT_GATEWAY_SSE__HEARTBEAT_MS", "50"), ("DASHPOT_GATEWAY_DEADLINE__GAP_MS", "1000")];
    let gateway = Gateway::with(&upstream.url(), &variables);
    upstream.set_faults(vec![FaultRule::rate(Fault::Stall { after: 3, time: None }, 1.0)]);
    let said = text(ask(gateway.url(), MESSAGES).await).await;
    assert!(said.contains(BEAT), "{said}");
    let last = said.trim_end().rsplit("\n\n").next().unwrap_or_default();
    assert!(last.starts_with("event: error\n") && last.contains("stopped in the middle"), "{said}");
}

async fn metrics(url: &str) -> String {
    let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::get(format!("{url}/metrics")).body(Full::default()).expect("it is well-formed");
    text(client.request(request).await.expect("there is an answer")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_begins_with_its_error_is_an_answer_with_a_status_if_heads_wait() {
    let (upstream, oracle) = (model(), model());
    let plain = Gateway::start(&upstream.url());
    let waits = Gateway::with(&upstream.url(), &[("DASHPOT_GATEWAY_SSE__PEEK_FIRST_MS", "30000")]);
    assert_eq!(text(ask(waits.url(), CHAT).await).await, text(ask(&oracle.url(), CHAT).await).await);

    upstream.set_faults(vec![FaultRule::rate(Fault::StreamError { after: 0 }, 1.0)]);
    for path in [CHAT, MESSAGES, RESPONSES] {
        let answer = ask(plain.url(), path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        assert!(text(answer).await.contains("data: {"), "{path}");

        let answer = ask(waits.url(), path).await;
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR, "{path}");
        assert_eq!(answer.headers()["content-type"], "application/json", "{path}");
        let said: Value = serde_json::from_str(&text(answer).await).expect("it is JSON");
        assert!(
            said["error"]["message"].as_str().unwrap_or_default().contains("while it answered"),
            "{said}"
        );
        assert_eq!(said.get("type").is_some(), path == MESSAGES, "{said}");
    }
}
