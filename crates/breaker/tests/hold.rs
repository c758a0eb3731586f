//! Requests that wait until it is known whether the upstream is back.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::{
    future::Future,
    time::{Duration, Instant},
};

use bytes::Bytes;
use common::{SECOND, now, status, statuses, stream, wait_out};
use dashpot_breaker::{BreakerLayer, BreakerState, Handle};
use dashpot_core::Deadline;
use dashpot_testkit::body::{BodyError, Scripted};
use futures_util::{FutureExt, future::join_all};
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use tokio::time::{advance, timeout};
use tower::{Layer, ServiceExt, service_fn};

/// One that has opened for about a second, and holds three, each for ten.
async fn open() -> (BreakerLayer, Handle) {
    let layer = common::layer().probes(1, 1).ramp(Duration::ZERO).hold(3, 10 * SECOND);
    let handle = layer.handle();
    statuses(&layer, 500, 5).await;
    assert_eq!(handle.stats().state, BreakerState::Open);
    (layer, handle)
}

async fn timed<T>(future: impl Future<Output = T>) -> (T, Duration) {
    let start: Instant = now();
    let output = future.await;
    (output, now().saturating_duration_since(start))
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_while_it_is_open_is_let_in_when_the_upstream_is_back() {
    let (layer, handle) = open().await;
    let open_for = handle.stats().open_for.unwrap();
    let (answers, took) = timed(join_all((0..3).map(|_| status(&layer, 200)))).await;
    assert_eq!(answers, [200; 3]);
    // To the millisecond, as timers are.
    assert!(
        (open_for..open_for + SECOND / 100).contains(&took),
        "{took:?}, and it was open for {open_for:?}"
    );
    let stats = handle.stats();
    assert_eq!((stats.held, stats.refused, stats.state), (0, 0, BreakerState::Closed));
}

#[tokio::test(start_paused = true)]
async fn those_for_whom_there_is_no_place_are_refused_at_once() {
    let (layer, handle) = open().await;
    let mut held: Vec<_> = (0..3).map(|_| Box::pin(status(&layer, 200))).collect();
    assert!(held.iter_mut().all(|held| held.now_or_never().is_none()));
    assert_eq!(handle.stats().held, 3);
    let (answer, took) = timed(status(&layer, 200)).await;
    assert_eq!((answer, took), (503, Duration::ZERO));
    // A place is free when one who is held leaves.
    drop(held.pop());
    assert_eq!((handle.stats().held, handle.stats().refused), (2, 1));
    assert_eq!(status(&layer, 200).await, 200);
    assert_eq!(join_all(held).await, [200; 2]);
}

#[tokio::test(start_paused = true)]
async fn who_cannot_be_let_in_within_the_time_is_refused_at_once() {
    let (layer, handle) = open().await;
    handle.trip("a test", now() + 11 * SECOND);
    assert_eq!(timed(status(&layer, 200)).await, (503, Duration::ZERO));
    handle.force_open();
    assert_eq!(timed(status(&layer, 200)).await, (503, Duration::ZERO));
    assert_eq!((handle.stats().held, handle.stats().refused), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn whose_deadline_would_pass_meanwhile_is_refused_at_once() {
    let (layer, handle) = open().await;
    let until = |time: Duration| {
        let service = service_fn(|_: Request<Empty<Bytes>>| async {
            Ok::<_, BodyError>(Response::new(Scripted::new()))
        });
        let mut request = Request::default();
        request.extensions_mut().insert(Deadline::after(now(), time).unwrap());
        timed(layer.layer(service).oneshot(request))
    };
    let open_for = handle.stats().open_for.unwrap();
    let (answer, took) = until(open_for / 2).await;
    assert_eq!((answer.unwrap().status().as_u16(), took), (503, Duration::ZERO));
    let (answer, _) = until(2 * open_for).await;
    assert_eq!(answer.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_held_for_longer_than_the_time() {
    let (layer, _) = open().await;
    // It has the one place of a probe, and is waited for.
    let layer = layer.wait(60 * SECOND, 60 * SECOND);
    let handle = layer.handle();
    handle.trip("a test", now());
    let mut probe = Box::pin(common::hang(&layer));
    assert!(probe.as_mut().now_or_never().is_none());
    assert_eq!(handle.stats().probes, 1);
    let (answer, took) = timed(status(&layer, 200)).await;
    assert_eq!(answer, 503);
    assert!((10 * SECOND..10 * SECOND + SECOND / 100).contains(&took), "{took:?}");
    assert_eq!((handle.stats().held, handle.stats().refused), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn who_is_held_goes_as_soon_as_a_probe_shows_nothing_and_leaves_its_place() {
    let layer = common::layer().wait(60 * SECOND, 60 * SECOND).probes(1, 1).hold(3, 10 * SECOND);
    let handle = layer.handle();
    handle.trip("a test", now());
    let mut probe = Box::pin(common::hang(&layer));
    assert!(probe.as_mut().now_or_never().is_none());
    let mut held = Box::pin(status(&layer, 200));
    assert!(held.as_mut().now_or_never().is_none());
    advance(SECOND).await;
    drop(probe);
    assert_eq!(timed(held).await, (200, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn who_is_held_is_refused_when_an_operator_opens_it() {
    let (layer, handle) = open().await;
    let mut held = Box::pin(status(&layer, 200));
    assert!(held.as_mut().now_or_never().is_none());
    handle.force_open();
    assert_eq!(timed(held).await, (503, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn who_is_held_goes_when_an_operator_closes_it() {
    let (layer, handle) = open().await;
    let mut held = Box::pin(status(&layer, 200));
    assert!(held.as_mut().now_or_never().is_none());
    handle.force_closed();
    assert_eq!(timed(held).await, (200, Duration::ZERO));
}

/// Nobody who is held is forgotten, however slowly the share grows.
#[tokio::test(start_paused = true)]
async fn all_who_are_held_come_in_while_it_recovers() {
    let layer = common::layer().probes(4, 1).ramp(10 * SECOND).hold(100, 20 * SECOND);
    let handle = layer.handle();
    statuses(&layer, 500, 5).await;
    let answers = timeout(20 * SECOND, join_all((0..100).map(|_| status(&layer, 200)))).await.unwrap();
    assert_eq!(answers, [200; 100]);
    assert_eq!((handle.stats().held, handle.stats().refused), (0, 0));
}

/// Others need not wait for its end.
#[tokio::test(start_paused = true)]
async fn a_probe_has_succeeded_when_its_stream_begins_unless_streams_broke_off() {
    let events =
        |body: Scripted| Response::builder().header("content-type", "text/event-stream").body(body).unwrap();
    for breaks_off in [false, true] {
        let layer = common::layer().probes(1, 1).consecutive_failures(1);
        let handle = layer.handle();
        if breaks_off {
            for _ in 0..4 {
                let answer =
                    common::ask(&layer, move || events(Scripted::new().data("a").error("reset"))).await;
                answer.into_body().collect().await.unwrap_err();
            }
        } else {
            statuses(&layer, 500, 1).await;
        }
        wait_out(&handle).await;
        let mut answer =
            common::ask(&layer, move || events(Scripted::new().data("a").wait(SECOND).data("b"))).await;
        answer.body_mut().frame().await.unwrap().unwrap();
        let expected = if breaks_off { BreakerState::HalfOpen } else { BreakerState::Recovering };
        assert_eq!(handle.stats().state, expected);
        answer.into_body().collect().await.unwrap();
        assert_eq!(handle.stats().state, BreakerState::Recovering);
    }
    // Without a stream there is nothing to begin.
    let layer = common::layer().probes(1, 1);
    let handle = layer.handle();
    handle.trip("a test", now());
    let answer = stream(&layer, || Scripted::new().data("a").data("b")).await;
    assert_eq!(handle.stats().state, BreakerState::HalfOpen);
    answer.into_body().collect().await.unwrap();
    assert_eq!(handle.stats().state, BreakerState::Recovering);
}
