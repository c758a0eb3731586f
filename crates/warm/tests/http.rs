//! Servers that are told by HTTP.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use bytes::Bytes;
use common::SECOND;
use dashpot_warm::{
    WarmLayer, WarmState,
    policy::Fixed,
    starter::{Ask, Http, StartError, Starter},
};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, ServiceExt, service_fn};

/// What was asked, in words; refuses what begins with one of some paths.
fn server(
    log: &Arc<Mutex<Vec<String>>>,
    broken: &'static str,
) -> impl Service<Request<Full<Bytes>>, Response = Response<Full<Bytes>>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ Sync
+ use<> {
    let log = log.clone();
    service_fn(move |request: Request<Full<Bytes>>| {
        let log = log.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let line = format!("{} {} {}", head.method, head.uri, String::from_utf8_lossy(&body));
            log.lock().unwrap().push(line.trim().to_owned());
            let status = if !broken.is_empty() && head.uri.path().starts_with(broken) { 500 } else { 200 };
            Ok(Response::builder().status(status).body(Full::default()).unwrap())
        }
    })
}

/// All steps of one life, and what the server was asked.
async fn life(starter: &impl Starter, log: &Mutex<Vec<String>>, key: &str) -> Vec<String> {
    starter.start(key).await.unwrap();
    starter.probe(key).await.unwrap();
    starter.prime(key).await.unwrap();
    let _: Result<(), StartError> = starter.sleep(key).await;
    starter.wake(key).await.unwrap();
    starter.stop(key).await.unwrap();
    std::mem::take(&mut *log.lock().unwrap())
}

#[tokio::test]
async fn ollama_loads_primes_and_unloads_by_its_keep_alive() {
    let log = Arc::default();
    let ollama = Http::ollama(server(&log, ""), "http://gpu:11434", "llama3.1");
    let load = r#"POST http://gpu:11434/api/generate {"model":"llama3.1","keep_alive":-1}"#;
    assert_eq!(
        life(&ollama, &log, "").await,
        [
            load,
            "GET http://gpu:11434/api/version",
            r#"POST http://gpu:11434/api/generate {"model":"llama3.1","prompt":"Hi","stream":false,"options":{"num_predict":1},"keep_alive":-1}"#,
            load,
            r#"POST http://gpu:11434/api/generate {"model":"llama3.1","keep_alive":0}"#,
        ]
    );
    assert!(
        life(&ollama, &log, "qwen3")
            .await
            .iter()
            .all(|line| line.contains("version") || line.contains("qwen3"))
    );
}

#[tokio::test]
async fn vllm_sleeps_and_wakes() {
    let log = Arc::default();
    let vllm = Http::vllm(server(&log, ""), "http://gpu:8000/", "llama");
    let (wake, sleep) = ("POST http://gpu:8000/wake_up", "POST http://gpu:8000/sleep?level=1");
    let one = r#"POST http://gpu:8000/v1/completions {"model":"llama","prompt":"Hi","max_tokens":1}"#;
    assert_eq!(life(&vllm, &log, "").await, [wake, "GET http://gpu:8000/health", one, sleep, wake, sleep]);
}

#[tokio::test]
async fn llama_swap_loads_and_unloads_one_model() {
    let log = Arc::default();
    let swap = Http::llama_swap(server(&log, ""), "http://gpu:8080", "llama");
    let health = "GET http://gpu:8080/upstream/llama/health";
    let one = r#"POST http://gpu:8080/v1/completions {"model":"llama","prompt":"Hi","max_tokens":1}"#;
    let unload = "POST http://gpu:8080/api/models/unload/llama";
    assert_eq!(life(&swap, &log, "").await, [health, health, one, health, unload]);
}

#[tokio::test(start_paused = true)]
async fn a_prime_that_is_not_answered_well_is_none() {
    let log = Arc::default();
    let starter = Http::new(server(&log, "/v1/"))
        .probe(Ask::get("http://gpu/health".parse().unwrap()))
        .prime(Ask::post("http://gpu/v1/completions".parse().unwrap(), |_| "{}".into()));
    let error = Starter::prime(&starter, "").await.unwrap_err();
    assert_eq!(error.to_string(), "it answers 500 Internal Server Error");
    let layer = WarmLayer::new(starter).hold(8, 5 * SECOND);
    let refused = layer.layer(server(&log, "")).oneshot(Request::default()).await.unwrap();
    assert_eq!((refused.status().as_u16(), layer.handle().state()), (503, WarmState::Failed));
    assert!(layer.handle().stats().failed >= 2, "it is tried again");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_sleeps_is_woken_for_the_next_request() {
    let log = Arc::default();
    let layer = WarmLayer::new(Http::vllm(server(&log, ""), "http://gpu:8000", "llama"))
        .policy(Fixed::new(60 * SECOND))
        .sleep(600 * SECOND);
    let ask = || layer.layer(server(&log, "")).oneshot(Request::default());
    ask().await.unwrap().into_body().collect().await.unwrap();
    tokio::time::sleep(100 * SECOND).await;
    assert_eq!(layer.handle().state(), WarmState::Sleeping);
    log.lock().unwrap().clear();
    assert_eq!(ask().await.unwrap().status().as_u16(), 200);
    assert_eq!(log.lock().unwrap()[0], "POST http://gpu:8000/wake_up");
}

/// Frames without end, each there at once.
struct Flood;

impl http_body::Body for Flood {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 4096])))))
    }
}

#[tokio::test]
async fn an_answer_without_an_end_is_not_read_for_ever() {
    let server =
        service_fn(|_: Request<Full<Bytes>>| std::future::ready(Ok::<_, Infallible>(Response::new(Flood))));
    let starter = Http::new(server).probe(Ask::get("http://gpu/health".parse().unwrap()));
    let error = Starter::probe(&starter, "").await.unwrap_err();
    assert_eq!(error.to_string(), "its answer does not end");
}
