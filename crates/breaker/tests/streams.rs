//! The verdict is at the end of the body.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{Answer, ask, stream};
use dashpot_breaker::{BreakerLayer, BreakerState};
use dashpot_core::{BodyReport, Outcome};
use dashpot_testkit::body::Scripted;
use http::{HeaderMap, HeaderValue, Response};
use http_body_util::BodyExt;
use tokio::time::sleep;

/// Nothing is decided by a head of 200 and a first piece; the rest is a failure, and so are four more.
async fn opens_at_the_end(make: impl Fn() -> Response<Scripted> + Clone) {
    opens_after(5, make).await;
}

async fn opens_after(failures: u64, make: impl Fn() -> Response<Scripted> + Clone) {
    let layer = BreakerLayer::new().failure_ratio(1.0, 1000, 30 * common::SECOND);
    let handle = layer.handle();
    for n in 0..failures {
        assert_eq!(handle.stats().state, BreakerState::Closed, "after {n}");
        let mut answer: Answer = ask(&layer, make.clone()).await;
        assert_eq!(answer.status(), 200);
        answer.body_mut().frame().await.unwrap().unwrap();
        assert_eq!((handle.stats().calls, handle.stats().failed), (n, n));
        let _ = answer.into_body().collect().await;
    }
    assert_eq!(handle.stats().state, BreakerState::Open);
}

fn trailers(status: u16) -> HeaderMap {
    HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from(status))])
}

#[tokio::test(start_paused = true)]
async fn an_error_in_mid_stream_is_a_failure() {
    opens_at_the_end(|| Response::new(Scripted::new().data("a").error("reset"))).await;
}

#[tokio::test(start_paused = true)]
async fn a_body_shorter_than_it_said_is_a_failure() {
    let make = || Response::builder().header("content-length", "9").body(Scripted::new().data("a").data("b"));
    opens_at_the_end(move || make().unwrap()).await;
}

#[tokio::test(start_paused = true)]
async fn a_status_in_trailers_is_a_failure_and_so_are_trailers_that_do_not_come() {
    let grpc = |body| Response::builder().header("content-type", "application/grpc").body(body).unwrap();
    opens_after(20, move || grpc(Scripted::new().data("a").trailers(trailers(14)))).await;
    opens_after(20, move || grpc(Scripted::new().data("a"))).await;
}

/// The upstream answers, and others of its streams may be whole.
#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_off_is_a_quarter_of_a_failure() {
    let events = |body| Response::builder().header("content-type", "text/event-stream").body(body).unwrap();
    opens_after(20, move || events(Scripted::new().data("a").error("reset"))).await;
}

#[tokio::test(start_paused = true)]
async fn an_error_event_or_an_end_without_its_marker_is_a_failure_if_a_layer_further_in_says_so() {
    for outcome in [Outcome::Failure, Outcome::Overload { retry_after: None }] {
        opens_at_the_end(move || {
            let report = BodyReport::default();
            report.set_outcome(outcome);
            Response::builder().extension(report).body(Scripted::new().data("a").data("b")).unwrap()
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_falls_silent_until_its_client_gives_up_is_a_failure() {
    let layer = BreakerLayer::new();
    for _ in 0..5 {
        let mut answer = stream(&layer, || Scripted::new().data("a").forever()).await;
        tokio::select! {
            _ = answer.body_mut().frame() => panic!("it is silent"),
            () = sleep(30 * common::SECOND) => {}
        }
    }
    assert_eq!(layer.handle().stats().state, BreakerState::Open);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_for_long_says_nothing_about_the_upstream() {
    let layer = BreakerLayer::new();
    for _ in 0..5 {
        let answer = stream(&layer, || Scripted::new().data("a").data("b")).await;
        sleep(100 * common::SECOND).await;
        drop(answer);
    }
    assert_eq!((layer.handle().stats().state, layer.handle().stats().calls), (BreakerState::Closed, 0));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ends_well_makes_good_what_failed_before() {
    let layer = BreakerLayer::new();
    let grpc = |code| {
        let body = move || Scripted::new().data("a").trailers(trailers(code));
        move || Response::builder().header("content-type", "application/grpc").body(body()).unwrap()
    };
    for code in [14, 14, 14, 14, 0, 14, 14, 14, 14] {
        ask(&layer, grpc(code)).await.into_body().collect().await.unwrap();
    }
    let stats = layer.handle().stats();
    assert_eq!((stats.state, stats.calls, stats.failed), (BreakerState::Closed, 9, 8));
}
