//! What the gateway's page is fed with, and what holds of it: who may look, for how long, and that it can be left out.

mod support;

use std::{process::Command, time::Duration};

use bytes::Bytes;
use dashpot_testkit::model_server::{Config, Distribution, ModelServer};
use dashpot_wire::sse::{Limits, Parser};
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::{Value, json};
use support::Gateway;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(10);

fn model() -> ModelServer {
    ModelServer::start(Config::instant()).expect("it starts")
}

/// Over a connection of its own.
async fn send(request: Request<Full<Bytes>>) -> Response<Incoming> {
    Client::builder(TokioExecutor::new()).build_http().request(request).await.expect("there is an answer")
}

async fn get(gateway: &Gateway, path: &str) -> Response<Incoming> {
    let request = Request::get(format!("{}{path}", gateway.url())).body(Full::default());
    send(request.expect("it is well-formed")).await
}

async fn ask(gateway: &Gateway, key: &str, question: &str) {
    let messages = json!([{ "role": "user", "content": question }]);
    let body = json!({ "model": "m", "stream": true, "messages": messages }).to_string();
    let request = Request::post(format!("{}/v1/chat/completions", gateway.url()))
        .header(header::AUTHORIZATION, format!("Bearer {key}"))
        .body(Full::from(body));
    let answer = send(request.expect("it is well-formed")).await;
    answer.into_body().collect().await.expect("the body is whole");
}

/// Events as they come.
struct Events {
    body: Incoming,
    parser: Parser,
    come: std::collections::VecDeque<(String, String)>,
}

impl Events {
    fn new(answer: Response<Incoming>) -> Self {
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/event-stream");
        Self { body: answer.into_body(), parser: Parser::new(Limits::default()), come: Default::default() }
    }

    /// Its type and data; `None` at the end.
    async fn next(&mut self) -> Option<(String, String)> {
        while self.come.is_empty() {
            let frame = timeout(SOON, self.body.frame()).await.expect("it goes on")?.expect("it is whole");
            let data = frame.into_data().expect("it has no trailers");
            let mut come = |event: dashpot_wire::sse::Event<'_>| {
                self.come.push_back((event.event.to_string(), event.data.to_string()));
            };
            self.parser.push(&data, &mut come).expect("it is short");
        }
        self.come.pop_front()
    }

    /// The first snapshot of which this holds.
    async fn until(&mut self, holds: impl Fn(&Value) -> bool) -> Value {
        let until = async {
            loop {
                let (_, data) = self.next().await.expect("it goes on");
                let snapshot = serde_json::from_str(&data).expect("it is JSON");
                if holds(&snapshot) {
                    return snapshot;
                }
            }
        };
        timeout(SOON, until).await.expect("it comes to hold")
    }
}

#[tokio::test]
async fn snapshots_tell_what_was_asked_and_how_fast_and_nothing_that_callers_sent() {
    // So that its tokens come each by itself.
    let paced = Config { gap_ms: Distribution::Constant(20.0), time_scale: 1.0, ..Config::instant() };
    let upstream = ModelServer::start(paced).expect("it starts");
    let gateway = Gateway::with(&upstream.url(), &[("DASHPOT_GATEWAY_CACHE__MAX_BYTES", "1000000")]);
    let answer = get(&gateway, "/live").await;
    assert_eq!(answer.headers()["x-accel-buffering"], "no", "it passes the layer for streams");
    let mut events = Events::new(answer);
    let question = "What is nobody else's business?";
    ask(&gateway, "a-key-of-mine", question).await;
    // Until it is kept who asks the same hears it from the call that was.
    events.until(|snapshot| snapshot["cache"]["entries"] == 1).await;
    ask(&gateway, "a-key-of-mine", question).await;
    let snapshot = events.until(|snapshot| snapshot["cache"]["exact"] == 1).await;
    let one = &snapshot["upstreams"][0];
    assert_eq!(one["name"], "default");
    assert_eq!(one["limit"]["admitted"], 1);
    assert_eq!(one["breaker"]["state"], "closed");
    assert_eq!(one["seen"]["first_content_ms"]["count"], 1);
    assert!(one["seen"]["gap_ms"]["p99"].as_f64().is_some_and(|gap| gap > 0.0), "{one}");
    let text = snapshot.to_string();
    for secret in ["a-key-of-mine", "nobody else", upstream.url().as_str()] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[tokio::test]
async fn each_upstream_is_shown_by_its_name_and_its_breaker_with_what_it_did() {
    let (first, second) = (model(), model());
    let file = format!(
        "[upstream]\nbase_url = \"{}\"\n[[upstreams]]\nname = \"small\"\nmodels = [\"m\"]\nbase_url = \"{}\"\n",
        first.url(),
        second.url()
    );
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("gateway.toml");
    std::fs::write(&path, file).expect("there is room");
    let gateway = Gateway::of(&path, &[]);
    let faults = Request::post(format!("{}/_control/faults", second.url()))
        .body(Full::from("[\"error\"]"))
        .expect("it is well-formed");
    assert_eq!(send(faults).await.status(), StatusCode::OK);
    for _ in 0..5 {
        ask(&gateway, "k", "Hello").await;
    }
    let mut events = Events::new(get(&gateway, "/live").await);
    let snapshot = events.until(|snapshot| snapshot["upstreams"][1]["breaker"]["state"] == "open").await;
    let [default, small] = &snapshot["upstreams"].as_array().expect("a list")[..] else {
        panic!("{snapshot}")
    };
    assert_eq!((&default["name"], &small["name"]), (&json!("default"), &json!("small")));
    assert_eq!(default["seen"]["changes"], json!([]));
    let change = &small["seen"]["changes"][0];
    assert_eq!((&change["from"], &change["to"]), (&json!("closed"), &json!("open")));
    assert_eq!(change["reason"], "consecutive failures");
}

#[tokio::test]
async fn snapshots_end_when_the_gateway_drains_and_nobody_can_begin_to_look() {
    let upstream = model();
    let mut gateway = Gateway::with(&upstream.url(), &[("DASHPOT_GATEWAY_DRAIN_DELAY_MS", "2000")]);
    let mut events = Events::new(get(&gateway, "/live").await);
    assert!(events.next().await.is_some());
    support::run(Command::new("kill").arg(gateway.pid().to_string()));
    let mut last = None;
    while let Some((kind, _)) = events.next().await {
        last = Some(kind);
    }
    assert_eq!(last.as_deref(), Some("end"), "it is told, and does not break off");
    assert_eq!(get(&gateway, "/live").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(gateway.wait().success(), "none who looks keeps it");
}

#[tokio::test]
async fn a_bounded_number_looks_and_who_leaves_makes_room() {
    let upstream = model();
    let gateway = Gateway::start(&upstream.url());
    let mut looking = Vec::new();
    for _ in 0..32 {
        looking.push(Events::new(get(&gateway, "/live").await));
    }
    let refused = get(&gateway, "/live").await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key(header::RETRY_AFTER));
    looking.pop();
    let room = async { while get(&gateway, "/live").await.status() != StatusCode::OK {} };
    timeout(SOON, room).await.expect("there is room again");
}

#[tokio::test]
async fn nothing_of_the_page_runs_or_comes_from_elsewhere() {
    let upstream = model();
    let gateway = Gateway::start(&upstream.url());
    for path in ["/", "/page/style.css", "/page/main.js"] {
        let answer = get(&gateway, path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        let policy = answer.headers()[header::CONTENT_SECURITY_POLICY].to_str().expect("it is text");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; "), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    }
    assert_eq!(get(&gateway, "/page/app.rs").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn without_the_page_neither_it_nor_its_snapshots_are_there() {
    let upstream = model();
    let gateway = Gateway::with(&upstream.url(), &[("DASHPOT_GATEWAY_PAGE", "false")]);
    for path in ["/", "/live", "/page/main.js"] {
        assert_eq!(get(&gateway, path).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(get(&gateway, "/healthz").await.status(), StatusCode::OK);
}
