//! How it comes back.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use common::{SECOND, ask, hang, now, probing, status, statuses, stream, wait_out};
use dashpot_breaker::{BreakerLayer, BreakerState, Handle, Observer, Reason, Slow, Transition};
use dashpot_testkit::{Trigger, body::Scripted};
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use tokio::{
    sync::Barrier,
    task::JoinSet,
    time::{advance, sleep, timeout},
};
use tower::{Layer, Service, ServiceExt, service_fn};

fn state(handle: &Handle) -> (BreakerState, u8) {
    let stats = handle.stats();
    (stats.state, stats.probes)
}

type Infallibly = Result<Response<Full<Bytes>>, Infallible>;

/// So many of a thousand at once reach the upstream.
async fn reach(layer: &BreakerLayer, end: &Trigger) -> Vec<common::Answer> {
    let mut answers = Vec::new();
    for _ in 0..1_000 {
        let answer = ask(layer, || Response::new(Scripted::new().until(end))).await;
        if answer.status() == 200 {
            answers.push(answer);
        } else {
            assert_eq!(answer.status(), 503);
        }
    }
    answers
}

#[tokio::test(start_paused = true)]
async fn of_a_thousand_calls_at_once_one_is_a_probe_then_two_then_four_and_no_more() {
    let (layer, handle) = probing(common::layer().probes(4, 9));
    let ends = [(); 4].map(|()| Trigger::new());
    for (end, expected) in ends.iter().zip([1, 2, 4, 4]) {
        let answers = reach(&layer, end).await;
        assert_eq!((answers.len(), state(&handle)), (expected, (BreakerState::HalfOpen, expected as u8)));
        end.fire();
        for answer in answers.into_iter().take(3) {
            answer.into_body().collect().await.unwrap();
        }
        assert_eq!(handle.stats().probes, 0, "one was dropped at the most");
    }
    assert_eq!(handle.stats().state, BreakerState::Recovering, "1, 2, 3 and 3 have succeeded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn however_many_threads_there_are_one_is_a_probe() {
    for _ in 0..100 {
        let (layer, handle) = probing(common::layer());
        let (reached, start) = (Arc::new(AtomicU32::new(0)), Arc::new(Barrier::new(16)));
        let mut tasks = JoinSet::new();
        for _ in 0..16 {
            let (reached, start) = (reached.clone(), start.clone());
            let service = layer.layer(service_fn(move |_: Request<Empty<Bytes>>| {
                reached.fetch_add(1, Relaxed);
                std::future::pending::<Infallibly>()
            }));
            tasks.spawn(async move {
                start.wait().await;
                service.oneshot(Request::default()).await.unwrap().status()
            });
        }
        for _ in 0..15 {
            assert_eq!(tasks.join_next().await.unwrap().unwrap(), 503);
        }
        assert_eq!((reached.load(Relaxed), state(&handle)), (1, (BreakerState::HalfOpen, 1)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_shows_nothing_gives_its_place_to_another() {
    let (layer, handle) = probing(common::layer());
    for _ in 0..300 {
        statuses(&layer, 404, 1).await;
        assert_eq!(state(&handle), (BreakerState::HalfOpen, 0), "the caller was wrong");
        assert!(timeout(SECOND / 100, hang(&layer)).await.is_err());
        assert_eq!(state(&handle), (BreakerState::HalfOpen, 0), "its client has left");
        drop(stream(&layer, || Scripted::new().data("a").forever()).await);
        assert_eq!(state(&handle), (BreakerState::HalfOpen, 0), "its client has left in mid-stream");
        let mut service = layer.layer(service_fn(async |_: Request<Empty<Bytes>>| {
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        }));
        drop(service.ready().await.unwrap().call(Request::default()));
        assert_eq!(state(&handle), (BreakerState::HalfOpen, 0), "it was never polled");
    }
    assert_eq!(handle.stats().refused, 0);
    statuses(&layer, 200, 3).await;
    assert_eq!(state(&handle), (BreakerState::Recovering, 0));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_panics_gives_its_place_back() {
    let (layer, handle) = probing(common::layer());
    let service = layer.layer(service_fn(|_: Request<Empty<Bytes>>| -> std::future::Ready<Infallibly> {
        panic!("as the test wants")
    }));
    assert!(tokio::spawn(service.oneshot(Request::default())).await.unwrap_err().is_panic());
    assert_eq!(state(&handle), (BreakerState::HalfOpen, 0));
}

#[tokio::test(start_paused = true)]
async fn probes_that_hang_are_replaced_and_their_late_success_counts() {
    let (layer, handle) = probing(common::layer().probes(1, 2));
    let end = Trigger::new();
    let hung = stream(&layer, || Scripted::new().data("a").until(&end)).await;
    for _ in 0..50 {
        assert_eq!(status(&layer, 200).await, 503, "there is one under way");
        sleep(2 * SECOND).await;
    }
    sleep(20 * SECOND).await;
    // Twice as long as it was to be open.
    statuses(&layer, 200, 1).await;
    assert_eq!(state(&handle), (BreakerState::HalfOpen, 0));
    end.fire();
    hung.into_body().collect().await.unwrap();
    assert_eq!(handle.stats().state, BreakerState::Recovering);
}

#[tokio::test(start_paused = true)]
async fn calls_that_are_refused_do_not_make_it_wait_longer() {
    let layer = common::layer().wait(20 * SECOND, 60 * SECOND);
    let handle = layer.handle();
    statuses(&layer, 500, 5).await;
    let open_for = handle.stats().open_for.unwrap();
    let mut waited = Duration::ZERO;
    while waited + SECOND < open_for {
        assert_eq!(status(&layer, 500).await, 503);
        advance(SECOND).await;
        waited += SECOND;
        assert_eq!(handle.stats().open_for, Some(open_for - waited));
    }
    wait_out(&handle).await;
    statuses(&layer, 200, 1).await;
}

#[tokio::test(start_paused = true)]
async fn each_failed_probe_makes_it_wait_twice_as_long_up_to_a_bound() {
    for failure in [500, 503, 429] {
        let layer = common::layer();
        let handle = layer.handle();
        statuses(&layer, 500, 5).await;
        for (attempt, expected) in (1..).zip([1, 2, 4, 8, 16, 32, 60, 60].map(f64::from)) {
            let stats = handle.stats();
            let (wait, last) = (stats.open_for.unwrap().as_secs_f64(), stats.last.unwrap());
            assert!((0.5 * expected..=1.5 * expected).contains(&wait), "{wait} s");
            assert_eq!((stats.attempt, last.attempt, last.wait), (attempt, attempt, stats.open_for));
            let reason = if attempt == 1 { Reason::Consecutive } else { Reason::Probe };
            assert_eq!(last.reason, reason);
            wait_out(&handle).await;
            statuses(&layer, failure, 1).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_share_passes_that_grows_from_a_tenth_to_all() {
    let (layer, handle) = probing(common::layer());
    statuses(&layer, 200, 3).await;
    assert_eq!(handle.stats().last.unwrap().reason, Reason::Probed);
    let mut shares = Vec::new();
    for _ in 0..10 {
        let mut passed = 0;
        for _ in 0..1_000 {
            passed += u32::from(status(&layer, 200).await == 200);
            advance(SECOND / 1_000).await;
        }
        shares.push(passed);
    }
    for (n, passed) in (0..).zip(&shares) {
        let expected = 145 + 90 * n;
        assert!((expected - 10..=expected + 10).contains(passed), "{shares:?}");
    }
    statuses(&layer, 200, 1_000).await;
    assert_eq!(
        (handle.stats().state, handle.stats().last.unwrap().reason),
        (BreakerState::Closed, Reason::Recovered)
    );
}

#[tokio::test(start_paused = true)]
async fn failures_while_it_recovers_open_it_for_longer() {
    let (layer, handle) = probing(common::layer());
    handle.trip("a test", now());
    statuses(&layer, 200, 3).await;
    while handle.stats().state == BreakerState::Recovering {
        status(&layer, 500).await;
    }
    let stats = handle.stats();
    assert_eq!((stats.state, stats.attempt), (BreakerState::Open, 2));
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_has_become_slow_for_good_is_taken_as_it_is_after_a_few_probes() {
    let layer = common::layer().slow_ratio(Slow::TimesBaseline(10.0), 0.8);
    let handle = layer.handle();
    let begins_after = async |after| {
        let answer = stream(&layer, || Scripted::new().wait(after).data("a").data("b")).await;
        answer.into_body().collect().await.unwrap();
    };
    for _ in 0..30 {
        begins_after(SECOND / 10).await;
    }
    handle.trip("a test", now());
    let mut failed = 0;
    while handle.stats().state != BreakerState::Recovering {
        wait_out(&handle).await;
        begins_after(5 * SECOND).await;
        if handle.stats().state == BreakerState::HalfOpen {
            begins_after(5 * SECOND).await;
            begins_after(5 * SECOND).await;
        } else {
            failed += 1;
        }
    }
    assert_eq!(failed, 3);
}

/// Nobody came while the first was waited for: that time is not the next one's.
#[tokio::test(start_paused = true)]
async fn a_probe_that_has_only_just_been_sent_is_waited_for() {
    // The first shows nothing.
    let (layer, handle) = probing(common::layer().probes(4, 9));
    statuses(&layer, 404, 1).await;
    sleep(121 * SECOND).await;
    let _fresh = stream(&layer, || Scripted::new().data("a").forever()).await;
    assert_eq!(status(&layer, 200).await, 503, "there is one under way");

    // The first succeeds at the last moment.
    let (layer, later) = probing(common::layer().probes(4, 9));
    let end = Trigger::new();
    let first = stream(&layer, || Scripted::new().data("a").until(&end)).await;
    sleep(119 * SECOND).await;
    end.fire();
    first.into_body().collect().await.unwrap();
    let _a = stream(&layer, || Scripted::new().data("a").forever()).await;
    let _b = stream(&layer, || Scripted::new().data("a").forever()).await;
    sleep(2 * SECOND).await;
    assert_eq!(status(&layer, 200).await, 503, "there are two under way");
    assert_eq!((state(&handle), state(&later)), ((BreakerState::HalfOpen, 1), (BreakerState::HalfOpen, 2)));
}

/// Panics once, when the wait is over.
struct Panics;

impl Observer for Panics {
    fn on_transition(&self, transition: &Transition) {
        assert!(transition.to != BreakerState::HalfOpen, "as the test wants");
    }
}

#[tokio::test(start_paused = true)]
async fn an_observer_that_panics_takes_no_place() {
    let (layer, handle) = probing(common::layer().observer(Panics));
    let asked = layer.clone();
    assert!(tokio::spawn(async move { status(&asked, 200).await }).await.unwrap_err().is_panic());
    assert_eq!(state(&handle), (BreakerState::HalfOpen, 0));
    statuses(&layer, 200, 3).await;
    assert_eq!(state(&handle), (BreakerState::Recovering, 0));
}
