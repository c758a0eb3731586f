//! The gateway in front of an upstream that can take less than it is asked: what is too much is refused in the caller's
//! own words, and what is not is answered as if nothing were.
#![allow(clippy::print_stdout, reason = "the counts are worth reading")]

mod support;

use std::{fs, process::Command, time::Duration};

use bytes::Bytes;
use dashpot_testkit::model_server::{Config, Distribution, End, Exchange, ModelServer};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use support::Gateway;
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";
/// Nothing here takes so long on any machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// One slot, and nobody waits for it.
const ONE: [(&str, &str); 3] = [
    ("DASHPOT_GATEWAY_LIMIT__INITIAL", "1"),
    ("DASHPOT_GATEWAY_LIMIT__MAX", "1"),
    ("DASHPOT_GATEWAY_LIMIT__MAX_WAITING", "0"),
];

type Http = Client<HttpConnector, Full<Bytes>>;

fn client() -> Http {
    Client::builder(TokioExecutor::new()).build_http()
}

async fn ask(client: &Http, gateway: &Gateway, path: &str) -> Response<Incoming> {
    let body =
        r#"{"model":"m","stream":true,"max_tokens":100000,"messages":[{"role":"user","content":"Hello"}]}"#;
    let request = Request::post(format!("{}{path}", gateway.url())).body(Full::from(body));
    client.request(request.expect("it is well-formed")).await.expect("there is an answer")
}

async fn get(gateway: &Gateway, path: &str) -> (StatusCode, String) {
    let request = Request::get(format!("{}{path}", gateway.url())).body(Full::default());
    let answer = client().request(request.expect("it is well-formed")).await.expect("there is an answer");
    let status = answer.status();
    (status, String::from_utf8(read(answer).await.to_vec()).expect("it is text"))
}

async fn read(answer: Response<Incoming>) -> Bytes {
    answer.into_body().collect().await.expect("the body is whole").to_bytes()
}

async fn metric(gateway: &Gateway, name: &str) -> Option<f64> {
    let (_, metrics) = get(gateway, "/metrics").await;
    let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    Some(value.parse().expect("it is a number"))
}

async fn comes_to(gateway: &Gateway, name: &str, value: f64) {
    let there = async { while metric(gateway, name).await != Some(value) {} };
    timeout(PATIENCE, there).await.unwrap_or_else(|_| panic!("{name} never was {value}"));
}

/// What a refusal says, after a look at all that clients rely on.
async fn refusal(answer: Response<Incoming>) -> Value {
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    let header = |name: &str| -> u64 {
        answer.headers()[name].to_str().expect("it is text").parse().expect("it is a number")
    };
    let (seconds, millis) = (header("retry-after"), header("retry-after-ms"));
    assert!((1..=60).contains(&seconds) && millis.div_ceil(1000) == seconds, "{seconds} s, {millis} ms");
    assert_eq!(answer.headers()["content-type"], "application/json");
    serde_json::from_slice(&read(answer).await).expect("it is JSON")
}

/// A model whose answers take so many tokens of 20 ms each.
fn model(tokens: f64) -> Config {
    Config {
        ttft_ms: Distribution::Constant(20.0),
        gap_ms: Distribution::Constant(20.0),
        output_tokens: Distribution::Constant(tokens),
        ..Config::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_holds_its_slot_to_its_end() {
    let upstream = ModelServer::start(model(50.0)).expect("it starts");
    let gateway = Gateway::with(&upstream.url(), &ONE);
    let mut stream = ask(&client(), &gateway, CHAT).await.into_body();
    let first = stream.frame().await.expect("it has one").expect("nothing breaks");
    assert!(first.is_data());
    assert_eq!(
        metric(&gateway, "gateway_limit_in_flight").await,
        Some(1.0),
        "the head is out, the body is not"
    );

    let said = refusal(ask(&client(), &gateway, CHAT).await).await;
    assert_eq!(said["error"]["type"], "service_unavailable_error", "{said}");
    assert!(said["error"]["message"].as_str().is_some_and(|why| why.contains("as it can take")), "{said}");
    let said = refusal(ask(&client(), &gateway, MESSAGES).await).await;
    assert_eq!(
        (&said["type"], &said["error"]["type"]),
        (&"error".into(), &"overloaded_error".into()),
        "{said}"
    );
    let (status, models) = get(&gateway, "/v1/models").await;
    assert_eq!(status, StatusCode::OK, "no model works on a list of models: {models}");

    let rest = stream.collect().await.expect("the stream is whole").to_bytes();
    assert!(rest.ends_with(b"data: [DONE]\n\n"), "the others have not disturbed it");
    comes_to(&gateway, "gateway_limit_in_flight", 0.0).await;
    assert_eq!(ask(&client(), &gateway, CHAT).await.status(), StatusCode::OK);
    assert_eq!(metric(&gateway, "gateway_limit_admitted_total").await, Some(2.0));
    assert_eq!(metric(&gateway, "gateway_limit_refused_total").await, Some(2.0));
    assert_eq!(upstream.stats().peak, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_gives_its_slot_back() {
    let upstream = ModelServer::start(model(100_000.0)).expect("it starts");
    let gateway = Gateway::with(&upstream.url(), &ONE);
    for left in 1..=3 {
        let answer = ask(&client(), &gateway, CHAT).await;
        assert_eq!(answer.status(), StatusCode::OK);
        drop(answer);
        comes_to(&gateway, "gateway_limit_in_flight", 0.0).await;
        let aborted = |log: &[Exchange]| log.iter().filter(|one| one.ended(End::Aborted)).count() == left;
        upstream.wait_for(aborted, PATIENCE).await.expect("the upstream is let go too");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_wait_is_served_in_turn_and_who_leaves_in_the_meantime_never_reaches_the_upstream() {
    let upstream = ModelServer::start(model(100_000.0)).expect("it starts");
    let waiting =
        [("DASHPOT_GATEWAY_LIMIT__MAX_WAITING", "2"), ("DASHPOT_GATEWAY_LIMIT__MAX_WAIT_MS", "60000")];
    let gateway = &Gateway::with(&upstream.url(), &[&ONE[..2], &waiting].concat());
    let holder = ask(&client(), gateway, CHAT).await;
    let (one, two) = (client(), client());
    let mut patient = std::pin::pin!(ask(&one, gateway, CHAT));
    // Two wait; the third is one too many. Then the second one leaves.
    let third = async {
        comes_to(gateway, "gateway_limit_waiting", 2.0).await;
        refusal(ask(&client(), gateway, MESSAGES).await).await;
    };
    tokio::select! {
        _ = &mut patient => panic!("the one slot is taken"),
        _ = ask(&two, gateway, CHAT) => panic!("the one slot is taken"),
        () = third => {}
    }
    drop(two);
    comes_to(gateway, "gateway_limit_waiting", 1.0).await;
    drop(holder);
    let answer = timeout(PATIENCE, patient).await.expect("its turn comes");
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(upstream.stats().received, 2);
}

/// The upstream works on eight at once, lets eight more wait, and refuses what is beyond; clients ask for several times
/// as much. Counted is the second half: by then the limit is found.
#[tokio::test(flavor = "multi_thread")]
async fn under_overload_the_upstream_is_kept_busy_and_its_queue_short() {
    const SLOTS: u64 = 8;
    let upstream = ModelServer::start(Config {
        ttft_ms: Distribution::Constant(100.0),
        gap_ms: Distribution::Constant(5.0),
        output_tokens: Distribution::Constant(10.0),
        concurrency: Some(SLOTS as usize),
        queue: Some(SLOTS as usize),
        ..Config::default()
    })
    .expect("it starts");
    let variables = [
        ("DASHPOT_GATEWAY_LIMIT__MAX_WAITING", "0"),
        // Less than it can take: how long an answer takes without a queue is seen in the first moments.
        ("DASHPOT_GATEWAY_LIMIT__INITIAL", "4"),
    ];
    let gateway = &Gateway::with(&upstream.url(), &variables);
    let mut counts = Counts::default();
    let (mut busy, mut queued, mut looks) = (0, 0, 0);
    let mut half = None;
    let mut clients = JoinSet::new();
    for number in 0..5 * SLOTS {
        let path = if number % 2 == 0 { CHAT } else { MESSAGES };
        clients.spawn(insist(client(), gateway.url().to_owned(), path));
    }
    let overload = async {
        while counts.served < 600 {
            tokio::select! {
                Some(asked) = clients.join_next() => {
                    let (client, url, path, answer) = asked.expect("no client panics");
                    counts.add(answer);
                    clients.spawn(insist(client, url, path));
                }
                () = sleep(Duration::from_millis(10)) => {}
            }
            if counts.served >= 300 {
                half.get_or_insert(counts);
                let stats = upstream.stats();
                (busy, queued, looks) = (busy + stats.in_flight, queued + stats.queued, looks + 1);
            }
        }
    };
    timeout(2 * PATIENCE, overload).await.expect("the upstream serves fifty a second");
    clients.shutdown().await;
    let overloaded = counts.overloaded - half.expect("it came to that").overloaded;
    let mean = |sum: u64| sum as f64 / f64::from(looks);
    let (busy, queued) = (mean(busy), mean(queued));
    let limit = metric(gateway, "gateway_limit").await.expect("it is published");
    let said =
        format!("limit {limit}, busy {busy:.1}, queued {queued:.1}, {counts:?}, {overloaded} of them late");
    println!("{said}");
    assert!(counts.refused > 100, "there was no overload: {said}");
    assert!(busy > 0.6 * SLOTS as f64, "the upstream has idle slots while clients are refused: {said}");
    assert!(queued < 0.5 * SLOTS as f64, "the limit lets a queue stand at the upstream: {said}");
    assert!(overloaded < 30, "the upstream itself had to refuse many: {said}");
    comes_to(gateway, "gateway_limit_in_flight", 0.0).await;
}

#[derive(Clone, Copy, Debug)]
enum Answer {
    Served,
    /// By the gateway.
    Refused,
    /// Refused by the upstream.
    Overloaded,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    served: u64,
    refused: u64,
    overloaded: u64,
}

impl Counts {
    fn add(&mut self, answer: Answer) {
        match answer {
            Answer::Served => self.served += 1,
            Answer::Refused => self.refused += 1,
            Answer::Overloaded => self.overloaded += 1,
        }
    }
}

/// Asks once; who is refused comes back much sooner than it was told to.
async fn insist(client: Http, url: String, path: &'static str) -> (Http, String, &'static str, Answer) {
    let body =
        r#"{"model":"m","stream":true,"max_tokens":100,"messages":[{"role":"user","content":"Hello"}]}"#;
    let request = Request::post(format!("{url}{path}")).body(Full::from(body)).expect("it is well-formed");
    let answer = client.request(request).await.expect("there is an answer");
    let answer = if answer.status() == StatusCode::OK {
        let stream = read(answer).await;
        let end = if path == CHAT { "data: [DONE]\n\n" } else { "{\"type\":\"message_stop\"}\n\n" };
        assert!(stream.ends_with(end.as_bytes()), "{stream:?}");
        Answer::Served
    } else if answer.headers().contains_key("retry-after") {
        refusal(answer).await;
        sleep(Duration::from_millis(200)).await;
        Answer::Refused
    } else {
        // This model server does not say when to come back.
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        sleep(Duration::from_millis(200)).await;
        Answer::Overloaded
    };
    (client, url, path, answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_sdks_understand_a_refusal() {
    let upstream = ModelServer::start(model(100_000.0)).expect("it starts");
    let gateway = Gateway::with(&upstream.url(), &ONE);
    let holder = ask(&client(), &gateway, CHAT).await;
    for script in ["openai_sdk.py", "anthropic_sdk.py"] {
        support::run(support::python(script).args(["refusal_of_the_gateway", gateway.url(), "http1"]));
    }
    assert_eq!(upstream.stats().received, 1);
    drop(holder);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_learned_outlives_a_restart() {
    let upstream = ModelServer::start(Config::instant()).expect("it starts");
    let folder = tempfile::tempdir().expect("there is a place for it");
    let file = folder.path().join("limit.toml");
    let path = file.to_str().expect("it is text");
    let start = || Gateway::with(&upstream.url(), &[("DASHPOT_GATEWAY_LIMIT__STATE_FILE", path)]);
    let stop = |mut gateway: Gateway| {
        support::run(Command::new("kill").arg(gateway.pid().to_string()));
        assert!(gateway.wait().success());
    };

    stop(start());
    assert!(!file.exists(), "nothing was learned");

    fs::write(&file, "limit = 7.5\nfirst_token_seconds = 0.25\n").expect("it is writable");
    let gateway = start();
    assert_eq!(metric(&gateway, "gateway_limit").await, Some(7.0));
    stop(gateway);
    let kept = fs::read_to_string(&file).expect("it is there");
    assert_eq!(kept, "limit = 7.5\nfirst_token_seconds = 0.25\n");
    assert_eq!(
        fs::read_dir(folder.path()).expect("it is there").count(),
        1,
        "the new file took the old one's name"
    );

    fs::write(&file, "limit = \"a lot\"\n").expect("it is writable");
    let gateway = start();
    assert_eq!(metric(&gateway, "gateway_limit").await, Some(20.0), "a broken file is as good as none");
}
