//! The gateway in front of a model server that is not always there.

mod support;

use std::{net::TcpListener, path::Path, process::Command, time::Duration};

use bytes::Bytes;
use dashpot_testkit::model_server::{ColdStart, Config, Distribution, ModelServer};
use futures_util::future::join_all;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use support::Gateway;

/// A gateway that starts the model server itself, on `port`.
fn gateway(port: u16, more: &[(&str, &str)]) -> Gateway {
    // An array in a variable is not to be had: the file has the command. A gateway that a test kills can end nothing, so the
    // kernel does.
    let folder = tempfile::tempdir().expect("there is room");
    let program = support::model_server();
    let program = program.to_str().expect("it is text");
    let file = format!(
        "[upstream]\nbase_url = \"http://127.0.0.1:{port}\"\n[warm]\nserver = \"openai\"\nmodel = \"m\"\n\
         command = [\"setpriv\", \"--pdeathsig\", \"KILL\", {program:?}, \"--listen\", \"127.0.0.1:{port}\", \"--ttft-ms\", \"5\", \"--gap-ms\", \"1\",\
         \"--tokens\", \"5\", \"--cold-start-ms\", \"300\"]\n"
    );
    let path = folder.path().join("gateway.toml");
    std::fs::write(&path, file).expect("there is room");
    Gateway::of(&path, more)
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    listener.local_addr().expect("it is bound").port()
}

/// In front of a model server that runs already; with more keys of `[warm]`.
fn beside(model: &ModelServer, keys: &str) -> Gateway {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("gateway.toml");
    let file = format!("[upstream]\nbase_url = \"{}\"\n[warm]\nserver = \"openai\"\n{keys}\n", model.url());
    std::fs::write(&path, file).expect("there is room");
    Gateway::of(&path, &[])
}

async fn ask(gateway: &Gateway) -> Response<Incoming> {
    ask_for(gateway, "m").await
}

async fn ask_for(gateway: &Gateway, model: &str) -> Response<Incoming> {
    let body = format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"Hello"}}]}}"#);
    let request = Request::post(format!("{}/v1/chat/completions", gateway.url())).body(Full::from(body));
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    client.request(request.expect("it is well-formed")).await.expect("there is an answer")
}

async fn status(gateway: &Gateway) -> StatusCode {
    let answer = ask(gateway).await;
    let status = answer.status();
    answer.into_body().collect().await.expect("it is whole");
    status
}

async fn readiness(gateway: &Gateway) -> u16 {
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let uri = format!("{}/readyz", gateway.url()).parse().expect("it is an address");
    client.get(uri).await.expect("there is an answer").status().as_u16()
}

/// The processes that a process has started.
fn children(pid: u32) -> Vec<u32> {
    let mut all = Vec::new();
    // Any of its threads may have started them.
    for task in std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
        let list = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        all.extend(list.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
    }
    all
}

/// Looks again and again, for half a minute.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..1500 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_while_the_model_server_starts_is_answered_and_it_is_started_once() {
    let mut gateway = gateway(free_port(), &[]);
    assert_eq!(children(gateway.pid()), Vec::<u32>::new());
    let answers = join_all((0..20).map(|_| status(&gateway))).await;
    assert!(answers.iter().all(|&status| status == StatusCode::OK), "{answers:?}");
    let started = children(gateway.pid());
    let [model] = started[..] else { panic!("{started:?}") };
    assert_eq!(gateway.metric(r#"gateway_warm_starts_total{start="worked"}"#), 1);
    assert_eq!(gateway.metric(r#"gateway_warm_requests_total{request="held"}"#), 20);

    // Whoever comes first after it is gone waits for the new one, and sees nothing of it.
    support::run(Command::new("kill").args(["-KILL", &model.to_string()]));
    until("the old one is gone", async || !children(gateway.pid()).contains(&model)).await;
    assert_eq!(status(&gateway).await, StatusCode::OK);
    let started = children(gateway.pid());
    let [second] = started[..] else { panic!("{started:?}") };
    assert_ne!(second, model);

    // It ends with the gateway.
    support::run(Command::new("kill").arg(gateway.pid().to_string()));
    assert!(gateway.wait().success());
    until("it ends too", async || !Path::new(&format!("/proc/{second}")).exists()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_to_be_warm_always_is_started_at_once_and_the_gateway_is_ready_when_it_is() {
    let gateway = gateway(free_port(), &[("DASHPOT_GATEWAY_WARM__KEEP", "always")]);
    assert_eq!(readiness(&gateway).await, 503);
    until("it is ready", async || readiness(&gateway).await == 200).await;
    assert_eq!(status(&gateway).await, StatusCode::OK);
    assert_eq!(gateway.metric(r#"gateway_warm_requests_total{request="held"}"#), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_wait_is_refused_in_the_words_of_the_api_with_the_time_to_come_back() {
    let more = [("DASHPOT_GATEWAY_WARM__MAX_WAITING", "0")];
    let gateway = gateway(free_port(), &more);
    let answer = ask(&gateway).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    let seconds = answer.headers()["retry-after"].to_str().expect("it is text");
    assert!(seconds.parse::<u64>().is_ok_and(|seconds| seconds > 0), "{seconds}");
    let body = answer.into_body().collect().await.expect("it is whole").to_bytes();
    let error: serde_json::Value = serde_json::from_slice(&body).expect("it is JSON");
    assert!(error["error"]["message"].is_string(), "{error}");
    // It has been started for whoever comes back.
    until("it is there", async || status(&gateway).await == StatusCode::OK).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_server_of_others_that_unloads_its_model_is_primed_again() {
    let model = ModelServer::start(Config {
        cold_start: Some(ColdStart {
            load: Duration::from_millis(500),
            // Longer than from one attempt to the next, or none would ever find it loaded.
            idle: Some(Duration::from_millis(2000)),
            reject: true,
        }),
        // Time has to pass for it to load.
        ttft_ms: Distribution::Constant(5.0),
        gap_ms: Distribution::Constant(1.0),
        output_tokens: Distribution::Constant(5.0),
        ..Config::default()
    })
    .expect("it starts");
    let variables = [("DASHPOT_GATEWAY_WARM__SERVER", "openai"), ("DASHPOT_GATEWAY_WARM__MODEL", "m")];
    let gateway = Gateway::with(&model.url(), &variables);
    for times in 1..=2 {
        let answers = join_all((0..5).map(|_| status(&gateway))).await;
        assert!(answers.iter().all(|&status| status == StatusCode::OK), "{answers:?}");
        assert_eq!(gateway.metric(r#"gateway_warm_starts_total{start="worked"}"#), times);
        // It unloads.
        tokio::time::sleep(Duration::from_millis(2500)).await;
    }
}

/// How often this model has been started, and how many of its requests have waited for that.
fn of(gateway: &Gateway, model: &str) -> (u64, u64) {
    let starts = format!(r#"gateway_warm_starts_total{{model="{model}",start="worked"}}"#);
    let held = format!(r#"gateway_warm_requests_total{{model="{model}",request="held"}}"#);
    (gateway.metric(&starts), gateway.metric(&held))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_several_models_is_started_for_its_own_requests_and_others_wait_for_none() {
    let model = ModelServer::start(Config::instant()).expect("it starts");
    let gateway = beside(&model, r#"models = ["m", "n"]"#);
    for (name, m, n) in
        [("other", (0, 0), (0, 0)), ("m", (1, 1), (0, 0)), ("n", (1, 1), (1, 1)), ("m", (1, 1), (1, 1))]
    {
        let answer = ask_for(&gateway, name).await;
        assert_eq!(answer.status(), StatusCode::OK, "{name}");
        answer.into_body().collect().await.expect("it is whole");
        assert_eq!((of(&gateway, "m"), of(&gateway, "n")), (m, n), "after {name}");
    }
    // Each was asked for one token before.
    let asked = model.log().iter().filter(|exchange| exchange.dialect.is_some()).count();
    assert_eq!((asked, readiness(&gateway).await), (4 + 2, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_several_models_are_warm_before_the_gateway_is_ready() {
    let model = ModelServer::start(Config::instant()).expect("it starts");
    let gateway = beside(&model, "models = [\"m\", \"n\"]\nkeep = \"always\"");
    until("it is ready", async || readiness(&gateway).await == 200).await;
    assert_eq!((of(&gateway, "m"), of(&gateway, "n")), ((1, 0), (1, 0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_warm_for_nothing_for_no_longer_than_its_budget() {
    let model = ModelServer::start(Config::instant()).expect("it starts");
    // The policy would keep it for ten minutes.
    let gateway = beside(&model, "model = \"m\"\nbudget_ms = 1500");
    assert_eq!(status(&gateway).await, StatusCode::OK);
    until("it is let go", async || gateway.metric("gateway_warm_ready") == 0).await;
    assert_eq!(status(&gateway).await, StatusCode::OK);
    assert_eq!(gateway.metric(r#"gateway_warm_starts_total{start="worked"}"#), 2);
}
