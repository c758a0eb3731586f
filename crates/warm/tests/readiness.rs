//! What the inner service has promised to those who do not call it.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use common::{Model, SECOND, request};
use dashpot_warm::WarmLayer;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tokio::time::timeout;
use tower::{Layer, Service, ServiceExt, limit::ConcurrencyLimitLayer};

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_start_gets_the_only_place_though_the_service_that_was_ready_lives_on() {
    let model = Model::new();
    let layer = WarmLayer::new(model.starter(SECOND));
    let mut service = layer.layer(ConcurrencyLimitLayer::new(1).layer(model.service()));
    let answer = service.ready().await.unwrap().call(request("/"));
    let answer = timeout(60 * SECOND, answer).await.expect("its own service has its place").unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    drop(service);
}

#[tokio::test(start_paused = true)]
async fn who_was_refused_keeps_no_place() {
    let model = Model::new();
    let layer = WarmLayer::new(model.starter(SECOND)).refuse_while_cold();
    let mut service = layer.layer(ConcurrencyLimitLayer::new(1).layer(model.service()));
    let other = service.clone();
    let refused = service.ready().await.unwrap().call(request("/")).await.unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(layer.handle().subscribe().ready().await);
    let answer = timeout(60 * SECOND, other.oneshot(request("/"))).await.expect("the place is kept").unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    drop(service);
}

#[tokio::test(start_paused = true)]
async fn who_comes_as_it_gets_warm_is_not_behind_its_own_service_in_the_queue() {
    let model = Model::new();
    let layer = WarmLayer::new(model.starter(SECOND));
    let limited = ConcurrencyLimitLayer::new(1).layer(model.service());
    let mut holder = limited.clone();
    holder.ready().await.unwrap();
    let mut service = layer.layer(limited);
    service.ready().await.expect("while it is cold requests may come");
    layer.handle().warm();
    assert!(layer.handle().subscribe().ready().await);
    let answer = service.call(request("/"));
    drop(holder);
    assert!(timeout(60 * SECOND, answer).await.expect("its own service is before it").is_ok());
    drop(service);
}

/// Is ready as long as it is told to be, and must not be called otherwise.
#[derive(Clone)]
struct Moody(Arc<AtomicBool>);

impl Service<Request<Full<Bytes>>> for Moody {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if self.0.load(SeqCst) { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn call(&mut self, _: Request<Full<Bytes>>) -> Self::Future {
        assert!(self.0.load(SeqCst), "it has said that it is not ready");
        ready(Ok(Response::default()))
    }
}

#[tokio::test(start_paused = true)]
async fn an_earlier_promise_does_not_count() {
    let model = Model::new();
    let layer = WarmLayer::new(model.starter(Duration::ZERO));
    let mood = Arc::new(AtomicBool::new(true));
    let mut service = layer.layer(Moody(mood.clone()));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_ready());
    mood.store(false, SeqCst);
    assert!(service.poll_ready(&mut cx).is_ready(), "it is cold");
    layer.handle().warm();
    assert!(layer.handle().subscribe().ready().await);
    let answer = tokio::spawn(service.call(request("/")));
    tokio::time::sleep(SECOND).await;
    assert!(!answer.is_finished());
    answer.abort();
}
