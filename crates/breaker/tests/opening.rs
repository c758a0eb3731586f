//! What opens it, and what does not.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::time::Duration;

use common::{SECOND, ask, hang, now, seen, status, statuses, stream, wait_out};
use dashpot_breaker::{BreakerLayer, BreakerState, Call, Reason, Slow};
use dashpot_core::{BodyReport, Classify, Deadline, Outcome};
use dashpot_testkit::{Trigger, body::Scripted};
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use tokio::time::{sleep, timeout};
use tower::{Layer, ServiceExt, service_fn};

fn by_ratio() -> BreakerLayer {
    BreakerLayer::new().consecutive_failures(u32::MAX)
}

fn why(layer: &BreakerLayer) -> Reason {
    let stats = layer.handle().stats();
    assert_eq!(stats.state, BreakerState::Open);
    stats.last.unwrap().reason
}

#[tokio::test(start_paused = true)]
async fn a_total_outage_after_ten_thousand_successes_opens_it_at_once() {
    let layer = BreakerLayer::new();
    statuses(&layer, 200, 10_000).await;
    statuses(&layer, 500, 5).await;
    assert_eq!(why(&layer), Reason::Consecutive);
    assert_eq!(status(&layer, 200).await, 503);
}

#[tokio::test(start_paused = true)]
async fn what_was_longer_ago_than_the_window_does_not_count() {
    let layer = by_ratio();
    let handle = layer.handle();
    for _ in 0..10_000 {
        statuses(&layer, 200, 1).await;
        sleep(SECOND / 50).await;
    }
    let known = handle.stats().calls;
    assert!((1_350..=1_500).contains(&known), "{known} calls in 30 seconds");
    let mut failures = 0;
    while handle.stats().state == BreakerState::Closed {
        statuses(&layer, 500, 1).await;
        sleep(SECOND / 50).await;
        failures += 1;
    }
    assert_eq!(why(&layer), Reason::FailureRatio);
    assert!((650..=760).contains(&failures), "half a window of failures, and not {failures}");
}

#[tokio::test(start_paused = true)]
async fn few_calls_do_not_open_it_by_their_ratio() {
    let layer = by_ratio();
    statuses(&layer, 500, 19).await;
    assert_eq!(layer.handle().stats().state, BreakerState::Closed);
    sleep(31 * SECOND).await;
    statuses(&layer, 200, 10).await;
    statuses(&layer, 500, 9).await;
    assert_eq!(layer.handle().stats().state, BreakerState::Closed);
    statuses(&layer, 503, 1).await;
    assert_eq!(why(&layer), Reason::FailureRatio);
}

#[tokio::test(start_paused = true)]
async fn calls_that_hang_and_are_cut_outside_open_it() {
    let layer = BreakerLayer::new().silence(10 * SECOND);
    for _ in 0..5 {
        assert!(timeout(10 * SECOND, hang(&layer)).await.is_err());
    }
    assert_eq!(why(&layer), Reason::Consecutive);
    assert_eq!(status(&layer, 200).await, 503);
}

#[tokio::test(start_paused = true)]
async fn calls_whose_deadline_passes_before_anything_comes_open_it() {
    let layer = BreakerLayer::new();
    for _ in 0..5 {
        let mut request = Request::new(Empty::<bytes::Bytes>::new());
        request.extensions_mut().insert(Deadline::after(now(), SECOND).unwrap());
        let never = service_fn(|_| std::future::pending::<Result<Response<Scripted>, std::io::Error>>());
        assert!(timeout(SECOND, layer.layer(never).oneshot(request)).await.is_err());
    }
    assert_eq!(why(&layer), Reason::Consecutive);
}

/// One client asks for what cannot be, and must not close the door for all.
#[tokio::test(start_paused = true)]
async fn deadlines_shorter_than_any_answer_open_nothing() {
    let layer = BreakerLayer::new();
    let after_a_second = |status: u16, grpc: bool| {
        service_fn(move |_| async move {
            sleep(SECOND).await;
            let mut head = Response::builder().status(status);
            if grpc {
                head = head.header("content-type", "application/grpc").header("grpc-status", "4");
            }
            Ok::<_, std::io::Error>(head.body(Scripted::new().data("answer").exact()).unwrap())
        })
    };
    let request = || Request::new(Empty::<bytes::Bytes>::new());
    for _ in 0..20 {
        let answer = layer.layer(after_a_second(200, false)).oneshot(request()).await.unwrap();
        answer.into_body().collect().await.unwrap();
    }
    assert_eq!(layer.handle().stats().baseline, Some(SECOND));
    for grpc in [false, true].into_iter().cycle().take(60) {
        let mut hasty = request();
        if grpc {
            *hasty.version_mut() = http::Version::HTTP_2;
            hasty.headers_mut().insert("grpc-timeout", "900m".parse().unwrap());
            let answer = layer.layer(after_a_second(200, true)).oneshot(hasty).await.unwrap();
            answer.into_body().collect().await.unwrap();
        } else {
            let time = SECOND * 9 / 10;
            hasty.extensions_mut().insert(Deadline::after(now(), time).unwrap());
            assert!(timeout(time, layer.layer(after_a_second(200, false)).oneshot(hasty)).await.is_err());
        }
    }
    let stats = layer.handle().stats();
    assert_eq!((stats.state, stats.failed), (BreakerState::Closed, 0));
    for _ in 0..5 {
        let mut patient = request();
        patient.extensions_mut().insert(Deadline::after(now(), 2 * SECOND).unwrap());
        let never = service_fn(|_| std::future::pending::<Result<Response<Scripted>, std::io::Error>>());
        assert!(timeout(2 * SECOND, layer.layer(never).oneshot(patient)).await.is_err());
    }
    assert_eq!(why(&layer), Reason::Consecutive);
}

#[tokio::test(start_paused = true)]
async fn clients_that_leave_are_no_failures() {
    let (layer, seen) = seen(BreakerLayer::new());
    for _ in 0..50 {
        assert!(timeout(SECOND, hang(&layer)).await.is_err());
        drop(stream(&layer, || Scripted::new().data("a").forever()).await);
    }
    assert_eq!(layer.handle().stats().state, BreakerState::Closed);
    assert_eq!((layer.handle().stats().calls, seen.count(Call::Ignored)), (0, 100));
}

#[tokio::test(start_paused = true)]
async fn what_comes_late_neither_closes_nor_opens_it() {
    let layer = BreakerLayer::new();
    let (handle, end) = (layer.handle(), Trigger::new());
    let mut late = Vec::new();
    for _ in 0..20 {
        late.push(stream(&layer, || Scripted::new().data("a").until(&end)).await);
        late.push(stream(&layer, || Scripted::new().data("a").until(&end).error("reset")).await);
    }
    statuses(&layer, 500, 5).await;
    let opened = handle.stats();
    end.fire();
    for answer in late.drain(..20) {
        let _ = answer.into_body().collect().await;
    }
    assert_eq!((handle.stats().state, handle.stats().open_for), (BreakerState::Open, opened.open_for));

    // Nor while a probe is under way, nor when it is closed again.
    wait_out(&handle).await;
    let probe = stream(&layer, || Scripted::new().data("a").forever()).await;
    for answer in late.drain(..10) {
        let _ = answer.into_body().collect().await;
    }
    assert_eq!((handle.stats().state, handle.stats().probes), (BreakerState::HalfOpen, 1));
    drop(probe);
    handle.reset();
    for answer in late {
        let _ = answer.into_body().collect().await;
    }
    let stats = handle.stats();
    assert_eq!((stats.state, stats.calls, stats.late), (BreakerState::Closed, 0, 40));
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_asks_too_often_neither_fails_nor_makes_good() {
    let layer = BreakerLayer::new();
    statuses(&layer, 429, 100).await;
    statuses(&layer, 404, 100).await;
    assert_eq!(layer.handle().stats().calls, 0);
    statuses(&layer, 500, 4).await;
    statuses(&layer, 429, 1).await;
    statuses(&layer, 404, 1).await;
    assert_eq!(layer.handle().stats().state, BreakerState::Closed);
    statuses(&layer, 500, 1).await;
    assert_eq!(why(&layer), Reason::Consecutive);
}

#[tokio::test(start_paused = true)]
async fn it_stays_open_for_as_long_as_the_upstream_asked() {
    let layer = BreakerLayer::new().consecutive_failures(1);
    let busy = || Response::builder().status(503).header("retry-after", "40").body(Scripted::new()).unwrap();
    ask(&layer, busy).await.into_body().collect().await.unwrap();
    let open_for = layer.handle().stats().open_for.unwrap();
    assert!((40 * SECOND..=50 * SECOND).contains(&open_for), "{open_for:?}");
}

/// Each answer says that the allowance is spent.
#[derive(Clone, Copy, Debug)]
struct Spent(Option<Duration>);

impl<R, E> Classify<R, E> for Spent {
    fn response(&self, _: &R) -> Option<Outcome> {
        Some(Outcome::RateLimited { quota: true, retry_after: self.0 })
    }

    fn error(&self, _: &E) -> Outcome {
        Outcome::Failure
    }
}

#[tokio::test(start_paused = true)]
async fn an_allowance_that_is_spent_opens_it_for_its_own_time_or_the_one_that_was_said() {
    let cases = [
        (Some(60 * SECOND), None, Some(60)),
        (Some(60 * SECOND), Some(1800 * SECOND), Some(1800)),
        (Some(60 * SECOND), Some(20 * SECOND), Some(20)),
        (None, Some(20 * SECOND), None),
    ];
    for (wait, said, expected) in cases {
        let layer = BreakerLayer::new().quota_wait(wait).classify(Spent(said));
        let handle = layer.handle();
        let service = service_fn(async |_: Request<Empty<bytes::Bytes>>| {
            Ok::<_, std::io::Error>(Response::new(Empty::<bytes::Bytes>::new()))
        });
        layer.layer(service).oneshot(Request::default()).await.unwrap();
        let stats = handle.stats();
        let Some(expected) = expected else {
            assert_eq!(stats.state, BreakerState::Closed);
            continue;
        };
        assert_eq!(stats.last.unwrap().reason, Reason::Quota);
        let open_for = stats.open_for.unwrap().as_secs_f64();
        assert!((expected.into()..=1.25 * f64::from(expected)).contains(&open_for), "{open_for} s");
    }
}

async fn begins_after(layer: &BreakerLayer, after: Duration) {
    let answer = stream(layer, || Scripted::new().wait(after).data("a").data("b")).await;
    answer.into_body().collect().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn answers_that_begin_late_open_it_by_a_bound_or_by_what_is_usual() {
    for (slow, usual, late) in
        [(Slow::Than(2 * SECOND), SECOND, 3 * SECOND), (Slow::TimesBaseline(10.0), SECOND / 10, 2 * SECOND)]
    {
        let layer = BreakerLayer::new().slow_ratio(slow, 0.5).ramp(SECOND);
        for _ in 0..30 {
            begins_after(&layer, usual).await;
        }
        sleep(30 * SECOND).await;
        assert_eq!((layer.handle().stats().state, layer.handle().stats().slow), (BreakerState::Closed, 0));
        for _ in 0..10 {
            // Together, as they take long.
            tokio::join!(begins_after(&layer, late), begins_after(&layer, late));
        }
        assert_eq!((why(&layer), layer.handle().stats().opened), (Reason::SlowRatio, 1));
        wait_out(&layer.handle()).await;
        begins_after(&layer, late).await;
        assert_eq!((why(&layer), layer.handle().stats().opened), (Reason::Probe, 2));
    }
}

#[tokio::test(start_paused = true)]
async fn where_somebody_knows_what_is_content_pings_do_not_make_an_answer_begin() {
    for knows in [false, true] {
        let layer = BreakerLayer::new().slow_ratio(Slow::Than(2 * SECOND), 1.0);
        let answer = ask(&layer, move || {
            let body = Scripted::new().data(": ping").wait(3 * SECOND).data("data: a");
            let events = Response::builder().header("content-type", "text/event-stream");
            let mut response = events.body(body).unwrap();
            if knows {
                response.extensions_mut().insert(BodyReport::default());
            }
            response
        });
        answer.await.into_body().collect().await.unwrap();
        assert_eq!((layer.handle().stats().calls, layer.handle().stats().slow), (1, u64::from(knows)));
    }
}

async fn answers_after_a_second(status: u16) -> Result<Response<Scripted>, std::io::Error> {
    // What a caller did wrong is answered at once.
    sleep(if status == 200 { SECOND } else { SECOND / 1_000 }).await;
    Ok(Response::builder().status(status).body(Scripted::new().data("answer").exact()).unwrap())
}

async fn asks(layer: &BreakerLayer, status: u16, times: u32) {
    for _ in 0..times {
        let answer = layer
            .layer(service_fn(|_: Request<Empty<bytes::Bytes>>| answers_after_a_second(status)))
            .oneshot(Request::default())
            .await
            .unwrap();
        answer.into_body().collect().await.unwrap();
    }
}

/// One caller's faults are answered in no time, and say nothing about how long a model takes.
#[tokio::test(start_paused = true)]
async fn answers_to_bad_requests_do_not_make_good_answers_slow() {
    for fault in [400, 429] {
        let layer = BreakerLayer::new().slow_ratio(Slow::TimesBaseline(10.0), 0.5);
        asks(&layer, 200, 20).await;
        asks(&layer, fault, 300).await;
        asks(&layer, 200, 40).await;
        let stats = layer.handle().stats();
        assert_eq!((stats.state, stats.slow), (BreakerState::Closed, 0));
        assert_eq!(stats.baseline, Some(SECOND));
    }
}

/// Nor do they make a deadline one that can be kept.
#[tokio::test(start_paused = true)]
async fn bad_requests_do_not_make_deadlines_count_that_no_answer_can_keep() {
    let layer = BreakerLayer::new();
    asks(&layer, 200, 20).await;
    asks(&layer, 400, 500).await;
    for _ in 0..5 {
        let time = SECOND / 10;
        let mut hasty = Request::new(Empty::new());
        hasty.extensions_mut().insert(Deadline::after(now(), time).unwrap());
        assert!(
            timeout(
                time,
                layer
                    .layer(service_fn(|_: Request<Empty<bytes::Bytes>>| answers_after_a_second(200)))
                    .oneshot(hasty)
            )
            .await
            .is_err()
        );
    }
    assert_eq!((layer.handle().stats().state, layer.handle().stats().failed), (BreakerState::Closed, 0));
}

/// The first who come after a start or a reset, when nobody knows how long answers take.
#[tokio::test(start_paused = true)]
async fn short_deadlines_that_clients_state_open_nothing_before_it_is_known_what_is_usual() {
    let layer = BreakerLayer::new();
    for _ in 0..10 {
        let mut hasty = Request::new(Empty::new());
        *hasty.version_mut() = http::Version::HTTP_2;
        hasty.headers_mut().insert("grpc-timeout", "1m".parse().unwrap());
        let time = SECOND / 1_000;
        assert!(
            timeout(
                time,
                layer
                    .layer(service_fn(|_: Request<Empty<bytes::Bytes>>| answers_after_a_second(200)))
                    .oneshot(hasty)
            )
            .await
            .is_err()
        );
    }
    assert_eq!((layer.handle().stats().state, layer.handle().stats().failed), (BreakerState::Closed, 0));
}

/// The answer was there, and nobody came for it: over HTTP/2 a window of 0 is enough.
#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_until_its_deadline_has_passed_opens_nothing() {
    let layer = BreakerLayer::new();
    asks(&layer, 200, 20).await;
    for _ in 0..5 {
        let mut request = Request::new(Empty::new());
        request.extensions_mut().insert(Deadline::after(now(), 3 * SECOND).unwrap());
        let answer = layer
            .layer(service_fn(|_: Request<Empty<bytes::Bytes>>| answers_after_a_second(200)))
            .oneshot(request)
            .await
            .unwrap();
        sleep(3 * SECOND).await;
        drop(answer);
    }
    assert_eq!((layer.handle().stats().state, layer.handle().stats().failed), (BreakerState::Closed, 0));
}

#[test]
fn a_factor_by_which_everything_or_nothing_is_slow_is_refused() {
    for factor in [f64::NAN, 0.0, -1.0] {
        let layer = || BreakerLayer::new().slow_ratio(Slow::TimesBaseline(factor), 0.8);
        assert!(std::panic::catch_unwind(layer).is_err(), "{factor}");
    }
}

#[tokio::test(start_paused = true)]
async fn those_that_were_asked_to_stay_away_for_the_same_time_do_not_come_back_together() {
    let mut waits = Vec::new();
    for _ in 0..20 {
        let layer = BreakerLayer::new().consecutive_failures(1);
        let busy =
            || Response::builder().status(503).header("retry-after", "40").body(Scripted::new()).unwrap();
        ask(&layer, busy).await.into_body().collect().await.unwrap();
        waits.push(layer.handle().stats().open_for.unwrap());
    }
    waits.sort();
    waits.dedup();
    assert_eq!(waits.len(), 20, "{waits:?}");
}
