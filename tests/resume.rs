//! A client that is cut off in the middle of a stream comes back through the gateway, over real sockets.

mod support;

use std::time::Duration;

use bytes::Bytes;
use dashpot_testkit::model_server::{Config, Distribution, End, Exchange, Fault, FaultRule, ModelServer};
use dashpot_wire::sse::Parser;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use support::Gateway;
use tokio::time::Instant;

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";
const RESPONSES: &str = "/v1/responses";

/// Heartbeats too, as often as they can come between two events.
const ON: [(&str, &str); 2] =
    [("DASHPOT_GATEWAY_SSE__RESUME_GRACE_MS", "30000"), ("DASHPOT_GATEWAY_SSE__HEARTBEAT_MS", "5")];

fn model() -> ModelServer {
    let config = Config {
        ttft_ms: Distribution::Constant(5.0),
        gap_ms: Distribution::Constant(10.0),
        output_tokens: Distribution::Constant(40.0),
        ..Config::default()
    };
    ModelServer::start(config).expect("it starts")
}

/// One client, whose connection is its own and ends with it.
async fn ask(
    url: &str,
    path: &str,
    key: &str,
    http2: bool,
    last: Option<(&str, Method)>,
) -> Response<Incoming> {
    let client: Client<HttpConnector, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).http2_only(http2).build_http();
    let mut body = json!({"model": "m", "stream": true});
    if path == RESPONSES {
        body["input"] = "Hello".into();
    } else {
        body["messages"] = json!([{"role": "user", "content": "Hello"}]);
        body["max_tokens"] = 100.into();
    }
    let mut request = Request::post(format!("{url}{path}")).header("authorization", key);
    if let Some((id, method)) = last {
        request = request.method(method).header("last-event-id", id);
    }
    let request = request.body(Full::from(body.to_string())).expect("it is well-formed");
    client.request(request).await.expect("there is an answer")
}

/// Events as a client by the standard sees them: type and data, and the last id.
#[derive(Debug, Default)]
struct Seen {
    events: Vec<(String, String)>,
    last_id: String,
}

impl Seen {
    /// Reads until there are `count` more, or the end; then whether there is no more.
    async fn read(&mut self, answer: Response<Incoming>, count: usize) -> bool {
        let (mut parser, mut body) = (Parser::default(), answer.into_body());
        let enough = self.events.len() + count;
        while self.events.len() < enough {
            let Some(frame) = body.frame().await else { return true };
            let Ok(data) = frame.expect("it is not cut by others").into_data() else { continue };
            let read = parser.push(&data, |event| {
                // As a program that is killed: what it has not looked at has not arrived.
                if self.events.len() < enough {
                    self.events.push((event.event.to_owned(), event.data.to_owned()));
                    event.last_event_id.clone_into(&mut self.last_id);
                }
            });
            read.expect("no event is too long");
        }
        false
    }
}

async fn directly(path: &str) -> Vec<(String, String)> {
    let mut seen = Seen::default();
    // The same seed says the same.
    seen.read(ask(&model().url(), path, "", false, None).await, usize::MAX >> 1).await;
    seen.events
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_cut_off_again_and_again_gets_every_event_once() {
    for (path, http2, method) in [
        (CHAT, false, Method::GET),
        (CHAT, true, Method::POST),
        (MESSAGES, false, Method::POST),
        (RESPONSES, true, Method::GET),
    ] {
        let upstream = model();
        let gateway = Gateway::with(&upstream.url(), &ON);
        let mut seen = Seen::default();
        let mut is_over = seen.read(ask(gateway.url(), path, "k", http2, None).await, 3).await;
        let mut times = 1;
        while !is_over {
            let last = Some((seen.last_id.as_str(), method.clone()));
            let answer = ask(gateway.url(), path, "k", http2, last).await;
            if answer.status() == 204 {
                break;
            }
            assert_eq!(answer.status(), 200, "{path}: {seen:?}");
            is_over = seen.read(answer, 7).await;
            times += 1;
        }
        assert!(times > 3, "{times}");
        assert_eq!(seen.events, directly(path).await, "{path}");

        let stats = upstream.stats();
        assert_eq!(
            (stats.received, stats.served, stats.aborted),
            (1, 1, 0),
            "{path}: asked once, to the end"
        );
        let last = Some((seen.last_id.as_str(), Method::GET));
        assert_eq!(ask(gateway.url(), path, "k", http2, last).await.status(), 204, "{path}");
    }
}

/// Three hundred streams whose clients are all cut off once, at different places.
#[tokio::test(flavor = "multi_thread")]
async fn many_clients_that_are_cut_off_at_once_all_get_every_event_once() {
    let upstream = model();
    let all_at_once = [
        ("DASHPOT_GATEWAY_LIMIT__MAX", "300"),
        ("DASHPOT_GATEWAY_LIMIT__MIN", "300"),
        ("DASHPOT_GATEWAY_LIMIT__INITIAL", "300"),
    ];
    let variables = [&ON[..], &all_at_once].concat();
    let gateway = Gateway::with(&upstream.url(), &variables);
    let mut clients = tokio::task::JoinSet::new();
    for number in 0..300 {
        let url = gateway.url().to_owned();
        clients.spawn(async move {
            let mut seen = Seen::default();
            seen.read(ask(&url, CHAT, "k", false, None).await, 1 + number % 30).await;
            let last = Some((seen.last_id.as_str(), Method::GET));
            let answer = ask(&url, CHAT, "k", false, last).await;
            seen.read(answer, usize::MAX >> 1).await;
            seen.events
        });
    }
    let expected = directly(CHAT).await;
    while let Some(events) = clients.join_next().await {
        assert_eq!(events.expect("no task panics"), expected);
    }
    assert_eq!(upstream.stats().aborted, 0);
    let shown = metrics(gateway.url()).await;
    for line in ["gateway_resume_streams_active 0\n", "gateway_resume_streams_kept 300\n"] {
        assert!(shown.contains(line), "{line}{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reads_the_stream_of_another() {
    let upstream = model();
    let gateway = Gateway::with(&upstream.url(), &ON);
    let mut seen = Seen::default();
    seen.read(ask(gateway.url(), CHAT, "Bearer mine", false, None).await, 3).await;
    let told = async |path: &'static str, key: &'static str, id: &str| {
        let answer = ask(gateway.url(), path, key, false, Some((id, Method::POST))).await;
        assert_eq!(answer.status(), 410, "{path} {key} {id}");
        let said = answer.into_body().collect().await.expect("it is whole").to_bytes();
        serde_json::from_slice::<Value>(&said).expect("it is JSON")
    };
    let never = told(CHAT, "Bearer mine", &format!("dp-{:032x}:1", 1)).await;
    assert!(never["error"]["message"].as_str().is_some(), "in the words of the API: {never}");
    assert_eq!(told(CHAT, "Bearer other", &seen.last_id).await, never);
    assert_eq!(told(CHAT, "", &seen.last_id).await, never);
    told(MESSAGES, "Bearer mine", &seen.last_id).await;

    let last = Some((seen.last_id.as_str(), Method::GET));
    assert_eq!(ask(gateway.url(), CHAT, "Bearer mine", false, last).await.status(), 200);
    assert_eq!(upstream.stats().received, 1, "nothing was asked again");
    let shown = metrics(gateway.url()).await;
    assert!(shown.contains("gateway_resume_requests_total{answer=\"refused\"} 4\n"), "{shown}");
    assert!(shown.contains("gateway_resume_requests_total{answer=\"resumed\"} 1\n"), "{shown}");
    assert!(shown.contains("gateway_resume_streams_total{what=\"recorded\"} 1\n"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_is_let_go_when_nobody_came_back_in_time_and_at_once_without_this() {
    const GRACE: Duration = Duration::from_secs(2);
    let off = [("DASHPOT_GATEWAY_SSE__HEARTBEAT_MS", "5")];
    let on = [off[0], ("DASHPOT_GATEWAY_SSE__RESUME_GRACE_MS", "2000")];
    let let_go = async |variables: &[(&str, &str)]| {
        let upstream = model();
        upstream.set_faults(vec![FaultRule::rate(Fault::Stall { after: 5, time: None }, 1.0)]);
        let gateway = Gateway::with(&upstream.url(), variables);
        let mut seen = Seen::default();
        seen.read(ask(gateway.url(), CHAT, "k", false, None).await, 3).await;
        let start = Instant::now();
        let aborted = |log: &[Exchange]| log.iter().any(|one| one.ended(End::Aborted));
        upstream.wait_for(aborted, Duration::from_secs(30)).await.expect("it is let go");
        let after = Instant::now() - start;
        if seen.last_id.is_empty() {
            return (after, None);
        }
        let last = Some((seen.last_id.as_str(), Method::GET));
        let answer = ask(gateway.url(), CHAT, "k", false, last).await;
        (after, Some(answer.status().as_u16()))
    };
    let (after, answer) = let_go(&on).await;
    assert!(after >= GRACE - Duration::from_millis(100), "{after:?}");
    assert_eq!(answer, Some(410));
    let (after, answer) = let_go(&off).await;
    assert!(after < GRACE, "{after:?}");
    assert_eq!(answer, None, "there were no ids");
}

async fn metrics(url: &str) -> String {
    let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::get(format!("{url}/metrics")).body(Full::default()).expect("it is well-formed");
    let answer = client.request(request).await.expect("there is an answer");
    let bytes = answer.into_body().collect().await.expect("it is whole").to_bytes();
    String::from_utf8(bytes.to_vec()).expect("it is text")
}
