//! What a caller is told who is not admitted.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::{future::ready, time::Duration};

use bytes::Bytes;
use common::{SECOND, ask, now, status};
use dashpot_breaker::BreakerLayer;
use dashpot_core::Rejection;
use dashpot_testkit::{
    body::{BodyError, Scripted},
    strict::Strict,
};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tower::{Layer, ServiceExt, service_fn};

type Body = Full<Bytes>;

fn open() -> BreakerLayer {
    let layer = BreakerLayer::new();
    layer.handle().trip("a test", now() + Duration::from_millis(2_500));
    layer
}

fn upstream(_: Request<Body>) -> std::future::Ready<Result<Response<Scripted>, BodyError>> {
    ready(Ok(Response::new(Scripted::new().data("the upstream"))))
}

#[tokio::test(start_paused = true)]
async fn it_is_a_problem_document_with_the_time_to_the_next_probe() {
    let layer = open();
    tokio::time::sleep(SECOND).await;
    let answer = ask(&layer, || Response::new(Scripted::new())).await;
    assert_eq!(answer.status(), 503);
    assert_eq!(
        (&answer.headers()["retry-after"], &answer.headers()["retry-after-ms"]),
        (&"2".parse().unwrap(), &"1500".parse().unwrap())
    );
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let rejection = *answer.extensions().get::<Rejection>().unwrap();
    assert_eq!((rejection.layer(), rejection.retry_after()), ("breaker", Some(SECOND * 3 / 2)));
    let words = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(words.starts_with(b"{\"type\":\"about:blank\""), "{words:?}");
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_while_a_probe_is_under_way_is_told_when_another_would_be_sent() {
    let (layer, _) = common::probing(BreakerLayer::new());
    let _probe = common::stream(&layer, || Scripted::new().data("a").forever()).await;
    let answer = ask(&layer, || Response::new(Scripted::new())).await;
    assert_eq!(answer.extensions().get::<Rejection>().unwrap().retry_after(), Some(120 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn one_that_an_operator_ordered_names_no_time() {
    let layer = BreakerLayer::new();
    layer.handle().force_open();
    let answer = ask(&layer, || Response::new(Scripted::new())).await;
    assert_eq!(answer.status(), 503);
    assert!(!answer.headers().contains_key("retry-after"));
}

#[tokio::test(start_paused = true)]
async fn for_grpc_it_is_unavailable() {
    let request =
        Request::builder().header("content-type", "application/grpc").body(Body::default()).unwrap();
    let answer = open().layer(service_fn(upstream)).oneshot(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    let headers = answer.headers();
    assert_eq!(
        (&headers["grpc-status"], &headers["grpc-retry-pushback-ms"]),
        (&"14".parse().unwrap(), &"2500".parse().unwrap())
    );
}

#[tokio::test(start_paused = true)]
async fn it_can_be_said_in_other_words() {
    let layer = open().refusal(|rejection, _| {
        let mut answer = Response::new(Bytes::from(rejection.to_string()));
        *answer.status_mut() = StatusCode::IM_A_TEAPOT;
        answer
    });
    let answer = layer.layer(service_fn(upstream)).oneshot(Request::default()).await.unwrap();
    assert_eq!(answer.status(), 418);
    let words = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(words.ends_with(b"try again in 2.5s"), "{words:?}");
}

#[tokio::test(start_paused = true)]
async fn a_fallback_gets_the_request_and_why_and_its_answer_passes() {
    let fallback = Strict::new(|request: Request<Body>| {
        let rejection = *request.extensions().get::<Rejection>().unwrap();
        assert_eq!((rejection.layer(), request.uri().path()), ("breaker", "/chat"));
        let body = Scripted::new().data("another ").wait(SECOND).data("model");
        ready(Ok::<_, BodyError>(Response::builder().header("x-from", "fallback").body(body).unwrap()))
    })
    .pending_first(2);
    let probe = fallback.probe();
    let layer = open().fallback(fallback);
    let ask = async || {
        let request = Request::builder().uri("/chat").body(Body::default()).unwrap();
        let answer = layer.layer(service_fn(upstream)).oneshot(request).await.unwrap();
        let is_fallback = answer.headers().contains_key("x-from");
        (is_fallback, answer.into_body().collect().await.unwrap().to_bytes())
    };
    assert_eq!(ask().await, (true, "another model".into()));
    tokio::time::sleep(3 * SECOND).await;
    assert_eq!(ask().await, (false, "the upstream".into()));
    assert_eq!(probe.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_fallback_does_wrong_is_its_own() {
    let layer = open().fallback(service_fn(|_: Request<Body>| async {
        tokio::time::sleep(SECOND / 100).await;
        let failed = Response::builder().status(500).body(Scripted::new().data("a").error("reset"));
        Ok::<_, BodyError>(failed.unwrap())
    }));
    let before = layer.handle().stats();
    for _ in 0..20 {
        let answer = layer.layer(service_fn(upstream)).oneshot(Request::default()).await.unwrap();
        assert_eq!(answer.status(), 500);
        assert!(answer.into_body().collect().await.is_err());
    }
    let after = layer.handle().stats();
    assert_eq!((after.calls, after.attempt, after.opened), (0, before.attempt, before.opened));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_a_breaker_further_in_is_no_failure_of_the_upstream() {
    let (inner, outer) = (open(), BreakerLayer::new());
    for _ in 0..20 {
        let service = outer.layer(inner.layer(service_fn(upstream)));
        assert_eq!(service.oneshot(Request::default()).await.unwrap().status(), 503);
    }
    assert_eq!(outer.handle().stats().calls, 0);
    assert_eq!(status(&outer, 200).await, 200);
}
