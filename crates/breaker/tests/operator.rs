//! The handle, and who listens.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::time::Duration;

use common::{SECOND, hang, now, seen, status, statuses, stream, wait_out};
use dashpot_breaker::{BreakerState, Call, Control, Reason, Slow};
use dashpot_testkit::body::Scripted;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use tower::{Layer, ServiceExt, service_fn};

#[tokio::test(start_paused = true)]
async fn forced_open_it_refuses_until_another_word() {
    let layer = common::layer();
    let handle = layer.handle();
    handle.force_open();
    for _ in 0..10 {
        assert_eq!(status(&layer, 200).await, 503);
        sleep(1_000 * SECOND).await;
    }
    handle.trip("not now", now());
    let stats = handle.stats();
    assert_eq!((stats.state, stats.control, stats.open_for), (BreakerState::Open, Control::ForcedOpen, None));
    handle.reset();
    assert_eq!((handle.stats().state, handle.stats().control), (BreakerState::Closed, Control::Automatic));
    statuses(&layer, 200, 20).await;
}

#[tokio::test(start_paused = true)]
async fn forced_closed_it_lets_all_pass_and_counts_nothing() {
    let layer = common::layer();
    let handle = layer.handle();
    statuses(&layer, 500, 5).await;
    handle.force_closed();
    statuses(&layer, 500, 100).await;
    let stats = handle.stats();
    assert_eq!((stats.state, stats.control, stats.calls), (BreakerState::Closed, Control::ForcedClosed, 0));
    handle.reset();
    statuses(&layer, 500, 5).await;
    assert_eq!(handle.stats().state, BreakerState::Open);
}

#[tokio::test(start_paused = true)]
async fn with_metrics_only_it_says_once_in_a_window_that_it_would_have_opened() {
    let (layer, seen) = seen(common::layer());
    let handle = layer.handle();
    handle.metrics_only();
    for window in 1..=3 {
        statuses(&layer, 500, 100).await;
        assert_eq!((handle.stats().state, handle.stats().failed), (BreakerState::Closed, 100));
        assert_eq!(seen.thresholds.lock().unwrap()[..], vec![Reason::Consecutive; window]);
        sleep(30 * SECOND).await;
    }
    assert_eq!(seen.count(Call::Failure), 300);
}

#[tokio::test(start_paused = true)]
async fn somebody_elses_word_opens_it_until_then_and_never_for_less_than_it_is() {
    let layer = common::layer();
    let handle = layer.handle();
    handle.trip("spent", now() + 5 * SECOND);
    let stats = handle.stats();
    assert_eq!(stats.last.unwrap().reason, Reason::Tripped("spent"));
    assert_eq!((stats.open_for, stats.attempt), (Some(5 * SECOND), 1));
    handle.trip("less", now() + SECOND);
    assert_eq!(handle.stats().open_for, Some(5 * SECOND));
    handle.trip("more", now() + 7 * SECOND);
    assert_eq!(handle.stats().open_for, Some(7 * SECOND));
    wait_out(&handle).await;
    statuses(&layer, 200, 3).await;
    assert_eq!(handle.stats().state, BreakerState::Recovering);
}

#[tokio::test(start_paused = true)]
async fn a_reset_forgets_what_was() {
    let layer = common::layer();
    let handle = layer.handle();
    for _ in 0..4 {
        while handle.stats().state == BreakerState::Closed {
            statuses(&layer, 500, 1).await;
        }
        wait_out(&handle).await;
        statuses(&layer, 500, 1).await;
        assert_eq!(handle.stats().attempt, 2);
        handle.reset();
        assert_eq!((handle.stats().attempt, handle.stats().calls), (0, 0));
        statuses(&layer, 500, 4).await;
        assert_eq!(handle.stats().state, BreakerState::Closed);
        handle.reset();
    }
}

#[tokio::test(start_paused = true)]
async fn a_reset_forgets_how_long_answers_usually_take() {
    let layer = common::layer().slow_ratio(Slow::TimesBaseline(10.0), 0.5);
    let upstream = service_fn(async |_| {
        sleep(SECOND).await;
        Ok::<_, std::io::Error>(Response::new(Scripted::new().data("answer").exact()))
    });
    for _ in 0..20 {
        let request = Request::new(Empty::<bytes::Bytes>::new());
        let answer = layer.layer(upstream).oneshot(request).await.unwrap();
        answer.into_body().collect().await.unwrap();
    }
    assert_eq!(layer.handle().stats().baseline, Some(SECOND));
    layer.handle().reset();
    assert_eq!(layer.handle().stats().baseline, None);
}

#[tokio::test(start_paused = true)]
async fn every_call_is_heard_of_once_and_every_change_in_its_order() {
    let (layer, seen) = seen(common::layer().ramp(SECOND));
    let handle = layer.handle();
    statuses(&layer, 200, 7).await;
    statuses(&layer, 404, 3).await;
    statuses(&layer, 429, 2).await;
    assert!(timeout(SECOND, hang(&layer)).await.is_err());
    let late = stream(&layer, || Scripted::new().data("a").data("b")).await;
    statuses(&layer, 500, 5).await;
    assert_eq!(status(&layer, 200).await, 503);
    late.into_body().collect().await.unwrap();
    wait_out(&handle).await;
    statuses(&layer, 200, 3).await;
    sleep(SECOND).await;
    statuses(&layer, 200, 1).await;

    let expected = [
        (Call::Success, 11),
        (Call::Ignored, 4),
        (Call::RateLimited, 2),
        (Call::Failure, 5),
        (Call::NotPermitted, 1),
        (Call::Late, 1),
    ];
    for (call, times) in expected {
        assert_eq!(seen.count(call), times, "{call:?}");
    }
    assert_eq!(seen.calls.lock().unwrap().len(), 24);
    let stats = handle.stats();
    assert_eq!((stats.opened, stats.refused, stats.late), (1, 1, 1));
    let transitions = seen.transitions.lock().unwrap();
    let to: Vec<_> = transitions.iter().map(|transition| (transition.to, transition.reason)).collect();
    let expected = [
        (BreakerState::Open, Reason::Consecutive),
        (BreakerState::HalfOpen, Reason::Waited),
        (BreakerState::Recovering, Reason::Probed),
        (BreakerState::Closed, Reason::Recovered),
    ];
    assert_eq!(to, expected);
    assert!(transitions.windows(2).all(|pair| pair[0].to == pair[1].from));
}

#[tokio::test(start_paused = true)]
async fn a_word_after_a_healthy_time_begins_anew() {
    let layer = common::layer();
    let handle = layer.handle();
    statuses(&layer, 500, 5).await;
    for _ in 0..6 {
        wait_out(&handle).await;
        statuses(&layer, 500, 1).await;
    }
    wait_out(&handle).await;
    statuses(&layer, 200, 3).await;
    sleep(3600 * SECOND).await;
    statuses(&layer, 200, 10).await;
    assert_eq!((handle.stats().state, handle.stats().attempt), (BreakerState::Closed, 7));
    handle.trip("a test", now() + SECOND);
    assert_eq!(handle.stats().attempt, 1);
    wait_out(&handle).await;
    statuses(&layer, 500, 1).await;
    let open_for = handle.stats().open_for.unwrap();
    assert!(open_for <= 3 * SECOND, "{open_for:?}");
}

#[tokio::test(start_paused = true)]
async fn one_that_is_open_does_not_open() {
    let layer = common::layer();
    let handle = layer.handle();
    for _ in 0..60 {
        handle.trip("the health check failed", now() + 2 * SECOND);
        sleep(SECOND).await;
    }
    assert_eq!(handle.stats().opened, 1);
}

#[tokio::test(start_paused = true)]
async fn until_the_end_of_time_is_not_now() {
    let layer = common::layer();
    let handle = layer.handle();
    handle.trip("for ever", now() + Duration::from_nanos(u64::MAX) + SECOND);
    assert_eq!(status(&layer, 200).await, 503);
    sleep(10 * SECOND).await;
    assert_eq!(status(&layer, 200).await, 503);
}

/// Those that began before it, and end after.
#[tokio::test(start_paused = true)]
async fn what_comes_late_does_not_bring_back_what_a_reset_forgot() {
    let layer = common::layer();
    let upstream = service_fn(async |_| {
        sleep(SECOND).await;
        Ok::<_, std::io::Error>(Response::new(Scripted::new().data("answer").exact()))
    });
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let service = layer.layer(upstream);
        tasks.spawn(async move {
            let answer = service.oneshot(Request::new(Empty::<bytes::Bytes>::new())).await.unwrap();
            answer.into_body().collect().await.unwrap();
        });
    }
    sleep(SECOND / 2).await;
    layer.handle().reset();
    tasks.join_all().await;
    assert_eq!((layer.handle().stats().late, layer.handle().stats().baseline), (20, None));
}

/// A generation is told apart by 8 bits in the window.
#[tokio::test(start_paused = true)]
async fn what_a_reset_forgot_does_not_come_back_after_many() {
    let layer = common::layer();
    let handle = layer.handle();
    statuses(&layer, 500, 3).await;
    for _ in 0..256 {
        handle.reset();
    }
    assert_eq!((handle.stats().calls, handle.stats().failed), (0, 0));
}
