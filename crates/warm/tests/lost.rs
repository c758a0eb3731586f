//! Answers that show that the upstream is not there any more.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::{
    future::Ready,
    io,
    sync::atomic::Ordering::SeqCst,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use common::{Model, SECOND, ask, request};
use dashpot_testkit::body::Scripted;
use dashpot_warm::WarmLayer;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt, service_fn};

#[tokio::test(start_paused = true)]
async fn one_of_many_that_sees_it_gone_says_so_for_all() {
    let model = Model::new();
    let layer = WarmLayer::new(model.starter(SECOND)).retry_cold();
    let slow = layer.layer(model.service()).oneshot(request("/slow")).await.unwrap();
    tokio::time::sleep(20 * SECOND).await;
    for _ in 0..3 {
        assert_eq!(ask(&layer, &model, "/").await, StatusCode::OK);
    }
    model.up.store(false, SeqCst);
    assert_eq!(ask(&layer, &model, "/").await, StatusCode::OK);
    let stats = layer.handle().stats();
    assert_eq!((stats.lost, stats.starts, stats.in_flight), (1, 2, 1));
    drop(slow);
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_says_503_is_started_again_and_the_request_sent_once_more() {
    let model = Model::new();
    let layer = WarmLayer::new(model.starter(SECOND)).retry_cold();
    assert_eq!(ask(&layer, &model, "/").await, StatusCode::OK);
    tokio::time::sleep(20 * SECOND).await;
    model.up.store(false, SeqCst);
    let begin = Instant::now();
    assert_eq!(ask(&layer, &model, "/again").await, StatusCode::OK);
    assert_eq!(Instant::now() - begin, Duration::from_millis(1100));
    assert_eq!((model.count("start"), model.count("call /again")), (2, 2));
    let stats = layer.handle().stats();
    assert_eq!((stats.lost, stats.in_flight, stats.waiting), (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn without_a_copy_the_client_is_told_and_the_next_one_waits() {
    let model = Model::new();
    let layer = WarmLayer::new(model.starter(SECOND));
    assert_eq!(ask(&layer, &model, "/").await, StatusCode::OK);
    tokio::time::sleep(20 * SECOND).await;
    model.up.store(false, SeqCst);
    assert_eq!(ask(&layer, &model, "/").await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ask(&layer, &model, "/").await, StatusCode::OK);
    assert_eq!(model.count("start"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_request_is_sent_twice_at_the_most() {
    let model = Model::new();
    let layer = WarmLayer::new(model.starter(SECOND)).retry_cold();
    let inner = {
        let model = model.clone();
        service_fn(move |_: Request<Full<Bytes>>| {
            model.note("call".into());
            std::future::ready(Err::<Response<Scripted>, _>(io::Error::from(
                io::ErrorKind::ConnectionRefused,
            )))
        })
    };
    let error = layer.layer(inner).oneshot(request("/")).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    assert_eq!((model.count("call"), model.count("start")), (2, 2));
    assert_eq!(layer.handle().stats().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn in_each_of_its_lives_a_loss_is_seen_by_those_who_pass_without_a_look() {
    let model = Model::new();
    let layer = WarmLayer::new(model.starter(SECOND));
    for lost in 1..5 {
        assert_eq!(ask(&layer, &model, "/").await, StatusCode::OK);
        tokio::time::sleep(20 * SECOND).await;
        // While this one is under way the others need no look.
        let slow = layer.layer(model.service()).oneshot(request("/slow")).await.unwrap();
        model.up.store(false, SeqCst);
        assert_eq!(ask(&layer, &model, "/").await, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!((layer.handle().stats().lost, layer.handle().is_ready()), (lost, false));
        drop(slow);
    }
}

/// Is never ready: its connection is refused.
#[derive(Clone)]
struct Refused;

impl Service<Request<Full<Bytes>>> for Refused {
    type Response = Response<Scripted>;
    type Error = io::Error;
    type Future = Ready<io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::ErrorKind::ConnectionRefused.into()))
    }

    fn call(&mut self, _: Request<Full<Bytes>>) -> Self::Future {
        unreachable!("it is not ready")
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_does_not_get_ready_says_so_too() {
    let model = Model::new();
    let layer = WarmLayer::new(model.starter(SECOND));
    let handle = layer.handle();
    assert!(layer.layer(Refused).oneshot(request("/")).await.is_err(), "it has waited");
    let lost = handle.stats().lost;
    assert!(handle.subscribe().ready().await);
    tokio::time::sleep(20 * SECOND).await;
    assert!(layer.layer(Refused).ready().await.is_err(), "nobody has come");
    assert_eq!((lost, handle.stats().lost, handle.is_ready()), (1, 2, false));
}
