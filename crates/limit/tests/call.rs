//! The limit around services that are not HTTP.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    io,
    task::{Context, Waker},
    time::Duration,
};

use dashpot_limit::{CallError, CallLimitLayer, policy::Fixed};
use tokio::time::{sleep, timeout};
use tower::{Layer, Service, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

async fn slow(name: &'static str) -> Result<usize, io::Error> {
    sleep(SECOND).await;
    if name.is_empty() { Err(io::Error::other("no name")) } else { Ok(name.len()) }
}

#[tokio::test(start_paused = true)]
async fn a_call_holds_its_slot_until_it_is_answered_and_another_is_refused() {
    let layer = CallLimitLayer::with_policy(Fixed::new(1));
    let handle = layer.handle();
    let first = tokio::spawn(layer.layer(service_fn(slow)).oneshot("first"));
    sleep(SECOND / 2).await;
    let Err(CallError::Refused(full)) = layer.layer(service_fn(slow)).oneshot("second").await else {
        panic!("admitted");
    };
    assert!(full.retry_after() >= Some(SECOND));
    assert_eq!(handle.stats().in_flight, 1);
    assert_eq!(first.await.unwrap().unwrap(), 5);
    let stats = handle.stats();
    assert_eq!((stats.in_flight, stats.admitted, stats.refused), (0, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_service_is_its_own() {
    let layer = CallLimitLayer::new();
    let error = layer.layer(service_fn(slow)).oneshot("").await.unwrap_err();
    assert_eq!(error.to_string(), "no name");
    let CallError::Inner(error) = error else { panic!("refused") };
    assert_eq!(error.kind(), io::ErrorKind::Other);
    assert_eq!(layer.handle().stats().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_gives_its_slot_back_at_once() {
    let layer = CallLimitLayer::with_policy(Fixed::new(1));
    let handle = layer.handle();
    let mut service = layer.layer(service_fn(slow));
    drop(service.ready().await.unwrap().call("never polled"));
    assert_eq!(handle.stats().in_flight, 0);
    assert!(timeout(SECOND / 2, service.ready().await.unwrap().call("half")).await.is_err());
    assert_eq!(handle.stats().in_flight, 0);
}

#[test]
fn ready_clones_hold_nothing_and_readiness_is_the_inner_services() {
    let layer = CallLimitLayer::with_policy(Fixed::new(1));
    let mut cx = Context::from_waker(Waker::noop());
    let clones = vec![layer.layer(service_fn(slow)); 5];
    for mut clone in clones {
        assert!(Service::<&'static str>::poll_ready(&mut clone, &mut cx).is_ready());
    }
    assert_eq!(layer.handle().stats().in_flight, 0);
    let mut pending = layer.layer(never_ready());
    assert!(Service::<&'static str>::poll_ready(&mut pending, &mut cx).is_pending());
}

/// A service that is never ready.
fn never_ready() -> impl Service<&'static str, Response = usize, Error = io::Error> {
    struct Never;
    impl Service<&'static str> for Never {
        type Response = usize;
        type Error = io::Error;
        type Future = std::future::Ready<Result<usize, io::Error>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> std::task::Poll<Result<(), io::Error>> {
            std::task::Poll::Pending
        }

        fn call(&mut self, _: &'static str) -> Self::Future {
            unreachable!("never ready")
        }
    }
    Never
}
