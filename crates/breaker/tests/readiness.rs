//! An open circuit waits for nothing.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use common::{SECOND, now};
use dashpot_breaker::BreakerState;
use dashpot_testkit::strict::Strict;
use http::{Request, Response};
use http_body_util::{Empty, Full};
use tokio::time::{sleep, timeout};
use tower::{Layer, Service, ServiceExt, limit::ConcurrencyLimitLayer};

/// A service that is ready when it is told to be, and wakes nobody then.
#[derive(Clone, Default)]
struct Busy {
    is_free: Arc<AtomicBool>,
    calls: Arc<AtomicU32>,
}

impl Service<Request<Empty<Bytes>>> for Busy {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Full<Bytes>>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if self.is_free.load(Relaxed) { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn call(&mut self, _: Request<Empty<Bytes>>) -> Self::Future {
        self.calls.fetch_add(1, Relaxed);
        ready(Ok(Response::new(Full::default())))
    }
}

#[tokio::test(start_paused = true)]
async fn while_it_is_open_nobody_waits_for_a_busy_upstream() {
    let layer = common::layer();
    let mut service = layer.layer(Busy::default());
    assert!(timeout(SECOND, service.ready()).await.is_err(), "closed, it waits");
    layer.handle().trip("a test", now() + SECOND);
    let answer = timeout(SECOND, service.ready().await.unwrap().call(Request::default())).await.unwrap();
    assert_eq!(answer.unwrap().status(), 503);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_a_busy_upstream_is_woken_when_it_opens() {
    for force in [false, true] {
        let layer = common::layer();
        let waiting: Vec<_> =
            (0..3).map(|_| tokio::spawn(layer.layer(Busy::default()).oneshot(Request::default()))).collect();
        sleep(SECOND).await;
        let handle = layer.handle();
        if force {
            handle.force_open();
        } else {
            handle.trip("a test", now() + 9 * SECOND);
        }
        for task in waiting {
            assert_eq!(timeout(SECOND, task).await.unwrap().unwrap().unwrap().status(), 503);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_waits_for_the_upstream_and_gives_its_place_back_if_its_client_does_not() {
    let layer = common::layer();
    let handle = layer.handle();
    let busy = Busy::default();
    handle.trip("a test", now());
    let mut service = layer.layer(busy.clone());
    let probe = service.ready().await.unwrap().call(Request::default());
    assert!(timeout(SECOND / 10, probe).await.is_err());
    assert_eq!((handle.stats().state, handle.stats().probes), (BreakerState::HalfOpen, 0));
    busy.is_free.store(true, Relaxed);
    for _ in 0..3 {
        assert_eq!(service.ready().await.unwrap().call(Request::default()).await.unwrap().status(), 200);
    }
    assert_eq!((handle.stats().state, busy.calls.load(Relaxed)), (BreakerState::Recovering, 3));
}

#[tokio::test(start_paused = true)]
async fn whatever_its_state_the_upstream_is_called_only_when_it_is_ready() {
    let upstream = Strict::new(|_: Request<Empty<Bytes>>| {
        ready(Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())))
    })
    .pending_first(2);
    let probe = upstream.probe();
    let layer = common::layer();
    let mut service = layer.layer(upstream);
    let handle = layer.handle();
    let mut expected = 0;
    for round in 0..20 {
        match round % 5 {
            0 => handle.reset(),
            1 => handle.trip("a test", now()),
            2 => handle.force_closed(),
            3 => handle.metrics_only(),
            _ => handle.force_open(),
        }
        for change_between in [false, true] {
            let ready = service.ready().await.unwrap();
            if change_between && round % 5 == 1 {
                // Ready while it was closed, called while it probes, and the other way round.
                handle.trip("a test", now());
            } else if change_between {
                handle.reset();
            }
            let status = ready.call(Request::default()).await.unwrap().status();
            expected += u64::from(status == 200);
        }
    }
    assert_eq!(probe.calls(), expected);
    assert!(expected >= 30);
}

/// Never ready, and never will be.
#[derive(Clone)]
struct Broken;

impl Service<Request<Empty<Bytes>>> for Broken {
    type Response = Response<Full<Bytes>>;
    type Error = std::io::Error;
    type Future = Ready<Result<Response<Full<Bytes>>, std::io::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), std::io::Error>> {
        Poll::Ready(Err(std::io::Error::other("broken")))
    }

    fn call(&mut self, _: Request<Empty<Bytes>>) -> Self::Future {
        panic!("it is not ready")
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_whether_it_is_ready_is_not_refused() {
    let layer = common::layer().consecutive_failures(20).failure_ratio(1.0, 100, SECOND);
    let (handle, upstream) = (layer.handle(), Busy::default());
    upstream.is_free.store(true, Relaxed);
    handle.trip("a test", now());
    for _ in 0..3 {
        layer.layer(upstream.clone()).oneshot(Request::default()).await.unwrap();
    }
    assert_eq!(handle.stats().state, BreakerState::Recovering);
    for _ in 0..10 {
        assert!(layer.layer(Broken).ready().await.is_err());
    }
    assert_eq!(handle.stats().refused, 0);
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_keeps_no_place_further_in() {
    let layer = common::layer();
    let busy = Busy::default();
    busy.is_free.store(true, Relaxed);
    let one = ConcurrencyLimitLayer::new(1).layer(busy);
    let mut service = layer.layer(one.clone());
    service.ready().await.unwrap();
    layer.handle().trip("a test", now() + SECOND);
    assert_eq!(service.call(Request::default()).await.unwrap().status(), 503);
    let other = timeout(SECOND, one.oneshot(Request::default())).await;
    assert!(other.is_ok(), "a service that is not called has the place");
    drop(service);
}

/// When the circuit was open it did not matter that there is no place, so nobody has looked.
#[tokio::test(start_paused = true)]
async fn who_comes_late_is_not_behind_its_own_service_in_the_queue() {
    let layer = common::layer();
    let busy = Busy::default();
    busy.is_free.store(true, Relaxed);
    let one = ConcurrencyLimitLayer::new(1).layer(busy);
    let mut holder = one.clone();
    holder.ready().await.unwrap();
    let mut service = layer.layer(one);
    assert!(timeout(SECOND, service.ready()).await.is_err(), "it waits in the queue for the place");
    let handle = layer.handle();
    handle.trip("a test", now() + SECOND);
    service.ready().await.unwrap();
    handle.reset();
    let answer = service.call(Request::default());
    drop(holder);
    let answer = timeout(SECOND, answer).await.expect("its own service is before it").unwrap();
    assert_eq!(answer.status(), 200);
    drop(service);
}
