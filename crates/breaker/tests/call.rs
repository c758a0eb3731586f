//! The breaker around services that are not HTTP.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::io;

use common::{SECOND, now, wait_out};
use dashpot_breaker::{BreakerLayer, BreakerState, CallBreakerLayer, CallError, Slow};
use tokio::time::{sleep, timeout};
use tower::{Layer, Service, ServiceExt, service_fn};

async fn upstream(name: &'static str) -> Result<usize, io::Error> {
    sleep(SECOND).await;
    if name.is_empty() { Err(io::Error::other("no name")) } else { Ok(name.len()) }
}

fn layer() -> CallBreakerLayer {
    CallBreakerLayer::new(&common::layer().silence(10 * SECOND))
}

#[tokio::test(start_paused = true)]
async fn errors_open_it_and_a_refusal_is_an_error_that_names_the_time() {
    let layer = layer();
    let handle = layer.handle();
    for _ in 0..5 {
        let error = layer.layer(service_fn(upstream)).oneshot("").await.unwrap_err();
        assert!(matches!(error, CallError::Inner(error) if error.to_string() == "no name"));
    }
    let Err(CallError::Refused(rejection)) = layer.layer(service_fn(upstream)).oneshot("a").await else {
        panic!("admitted");
    };
    assert_eq!(rejection.retry_after(), handle.stats().open_for);
    wait_out(&handle).await;
    for _ in 0..3 {
        assert_eq!(layer.layer(service_fn(upstream)).oneshot("probe").await.unwrap(), 5);
    }
    assert_eq!(handle.stats().state, BreakerState::Recovering);
}

#[tokio::test(start_paused = true)]
async fn calls_that_hang_count_and_callers_that_leave_do_not() {
    let layer = layer();
    let never = || layer.layer(service_fn(|()| std::future::pending::<Result<(), io::Error>>()));
    for _ in 0..20 {
        assert!(timeout(9 * SECOND, never().oneshot(())).await.is_err());
    }
    assert_eq!(layer.handle().stats().calls, 0);
    for _ in 0..5 {
        assert!(timeout(10 * SECOND, never().oneshot(())).await.is_err());
    }
    assert_eq!(layer.handle().stats().state, BreakerState::Open);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_dropped_gives_its_place_back() {
    let layer = layer();
    layer.handle().trip("a test", now());
    let mut service = layer.layer(service_fn(upstream));
    for _ in 0..10 {
        drop(service.ready().await.unwrap().call("never polled"));
        assert!(timeout(SECOND / 2, service.ready().await.unwrap().call("half")).await.is_err());
        assert_eq!(layer.handle().stats().probes, 0);
    }
    assert_eq!(layer.handle().stats().refused, 0);
}

#[tokio::test(start_paused = true)]
async fn slow_calls_open_it_too() {
    let plain = BreakerLayer::new().slow_ratio(Slow::Than(SECOND / 2), 0.5);
    let layer = CallBreakerLayer::new(&plain);
    for _ in 0..20 {
        layer.layer(service_fn(upstream)).oneshot("a").await.unwrap();
    }
    assert_eq!(layer.handle().stats().state, BreakerState::Open);
    assert_eq!(plain.handle().stats().calls, 0, "each has its own");
}
