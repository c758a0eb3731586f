//! Requests that come while it is cold.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use common::{Model, SECOND, request};
use dashpot_core::{Deadline, Rejection};
use dashpot_warm::{
    WarmLayer, WarmState,
    policy::{Budget, Fixed, Never},
    starter::Functions,
};
use http::{Response, StatusCode, header::RETRY_AFTER};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::{task::JoinSet, time::Instant};
use tower::{Layer, ServiceExt};

#[tokio::test(start_paused = true)]
async fn all_who_come_while_it_is_cold_wait_for_one_start() {
    let model = Model::new();
    let layer = WarmLayer::new(model.starter(10 * SECOND));
    let begin = Instant::now();
    let mut all = JoinSet::new();
    for n in 0..20 {
        let service = layer.layer(model.service());
        all.spawn(async move {
            tokio::time::sleep(n * Duration::from_millis(100)).await;
            let answer = service.oneshot(request("/")).await.unwrap();
            (answer.status(), answer.into_body().collect().await.unwrap().to_bytes())
        });
    }
    for (status, words) in all.join_all().await {
        assert_eq!((status, &*words), (StatusCode::OK, &b"hi"[..]));
    }
    assert_eq!(model.log()[..3], ["start ", "primed", "call /"]);
    assert_eq!((model.count("start"), model.count("call")), (1, 20));
    assert_eq!(Instant::now() - begin, 11 * SECOND, "no answer took longer than the start");
    let stats = layer.handle().stats();
    assert_eq!((stats.held, stats.starts, stats.cold_share()), (20, 1, 1.0));
    let start = stats.last_start.unwrap();
    assert_eq!((start.start, start.probe, start.prime), (10 * SECOND, Duration::ZERO, SECOND));
}

#[tokio::test(start_paused = true)]
async fn those_who_leave_do_not_end_the_start() {
    let model = Model::new();
    let layer = WarmLayer::new(model.starter(10 * SECOND));
    let call = layer.layer(model.service()).oneshot(request("/"));
    assert!(tokio::time::timeout(SECOND, call).await.is_err());
    assert_eq!(layer.handle().stats().waiting, 0);
    tokio::time::sleep(11 * SECOND).await;
    assert!(layer.handle().is_ready());
    assert_eq!(model.count("start"), 1);
    let begin = Instant::now();
    layer.layer(model.service()).oneshot(request("/")).await.unwrap();
    assert_eq!(Instant::now(), begin);
}

#[tokio::test(start_paused = true)]
async fn one_more_than_may_wait_is_told_when_to_come_again() {
    let model = Model::new();
    let layer = WarmLayer::new(model.starter(10 * SECOND)).hold(2, 30 * SECOND);
    let service = layer.layer(model.service());
    let waiting: Vec<_> = (0..2).map(|_| tokio::spawn(service.clone().oneshot(request("/")))).collect();
    tokio::time::sleep(4 * SECOND).await;
    let refused = service.clone().oneshot(request("/")).await.unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.extensions().get::<Rejection>().unwrap().layer(), "warm");
    assert_eq!(refused.headers()[RETRY_AFTER], "4", "of a first start: as long again as it has taken");
    let mut words = refused.into_body();
    let length = words.size_hint().exact().unwrap();
    assert_eq!(words.frame().await.unwrap().unwrap().into_data().unwrap().len() as u64, length);
    assert!(words.is_end_stream() && words.frame().await.is_none());
    for waits in waiting {
        assert_eq!(waits.await.unwrap().unwrap().status(), StatusCode::OK);
    }

    let handle = layer.handle();
    handle.cool();
    tokio::time::sleep(SECOND).await;
    let waiting: Vec<_> = (0..2).map(|_| tokio::spawn(service.clone().oneshot(request("/")))).collect();
    tokio::time::sleep(4 * SECOND).await;
    let refused = service.clone().oneshot(request("/")).await.unwrap();
    assert_eq!(refused.headers()[RETRY_AFTER], "7", "the last start took eleven seconds");
    drop(waiting);
}

#[tokio::test(start_paused = true)]
async fn who_has_waited_for_as_long_as_it_may_is_refused() {
    let model = Model::new();
    let layer = WarmLayer::new(model.starter(100 * SECOND));
    let begin = Instant::now();
    let refused = layer.layer(model.service()).oneshot(request("/")).await.unwrap();
    assert_eq!((refused.status(), Instant::now() - begin), (StatusCode::SERVICE_UNAVAILABLE, 30 * SECOND));
    let stats = layer.handle().stats();
    assert_eq!((stats.timed_out, stats.waiting, stats.state), (1, 0, WarmState::Starting));
}

#[tokio::test(start_paused = true)]
async fn times_without_end_are_times() {
    let ever = Duration::MAX;
    let layer = |model: &Model| {
        WarmLayer::new(model.starter(SECOND))
            .hold(8, ever)
            .ramp(ever, 1, 2)
            .start_timeout(ever)
            .retry(ever, ever)
            .sleep(ever)
            .drain(ever)
            .policy(Fixed::new(ever))
            .budget(Budget::new(ever, ever))
    };
    let model = Model::new();
    let warm = layer(&model);
    assert_eq!(warm.layer(model.service()).oneshot(request("/")).await.unwrap().status(), StatusCode::OK);
    warm.handle().cool();
    tokio::time::sleep(SECOND).await;
    let model = Model::new();
    model.fails.store(1, SeqCst);
    let failed =
        tokio::time::timeout(60 * SECOND, layer(&model).layer(model.service()).oneshot(request("/"))).await;
    assert!(failed.is_err(), "it waits");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_the_wait_and_one_that_no_start_has_ever_met_is_not_waited_for() {
    let model = Model::new();
    let layer = WarmLayer::new(model.starter(10 * SECOND));
    let within = |seconds| {
        let mut request = request("/");
        let at = (Instant::now() + seconds * SECOND).into_std();
        request.extensions_mut().insert(Deadline::at(at));
        layer.layer(model.service()).oneshot(request)
    };
    let begin = Instant::now();
    assert_eq!(within(5).await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(Instant::now() - begin, 5 * SECOND);
    assert_eq!(within(20).await.unwrap().status(), StatusCode::OK);

    layer.handle().cool();
    tokio::time::sleep(SECOND).await;
    let begin = Instant::now();
    assert_eq!(within(5).await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(Instant::now(), begin, "eleven seconds are the least");
    assert_eq!(layer.handle().state(), WarmState::Starting, "it starts all the same");
    assert_eq!(within(12).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn where_none_waits_the_first_starts_it_and_who_comes_again_finds_it_warm() {
    let model = Model::new();
    let layer = WarmLayer::new(model.starter(10 * SECOND)).policy(Never).refuse_while_cold();
    let ask = || layer.layer(model.service()).oneshot(request("/"));
    let refused = ask().await.unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    tokio::time::sleep(15 * SECOND).await;
    assert_eq!(ask().await.unwrap().status(), StatusCode::OK);
    assert_eq!(layer.handle().stats().useless_prewarms, 0);
}

#[tokio::test(start_paused = true)]
async fn those_who_waited_go_in_order_and_by_and_by() {
    let model = Model::new();
    let layer = WarmLayer::new(model.starter(10 * SECOND)).ramp(10 * SECOND, 2, 12);
    let mut all = JoinSet::new();
    for n in 0..10 {
        let service = layer.layer(model.service());
        all.spawn(async move {
            tokio::time::sleep(n * Duration::from_millis(1)).await;
            service.oneshot(request("/slow")).await.unwrap()
        });
    }
    tokio::time::sleep(11 * SECOND + Duration::from_millis(500)).await;
    assert_eq!(model.live(), 2);
    tokio::time::sleep(4 * SECOND).await;
    assert_eq!(model.live(), 6);
    let late = tokio::spawn(layer.layer(model.service()).oneshot(request("/late")));
    model.end.fire();
    for answer in all.join_all().await {
        answer.into_body().collect().await.unwrap();
    }
    late.await.unwrap().unwrap();
    assert_eq!(model.log().last().unwrap(), "call /late", "nobody overtakes");
}

#[tokio::test(start_paused = true)]
async fn a_start_that_fails_is_tried_again_for_those_who_wait() {
    let model = Model::new();
    model.fails.store(3, SeqCst);
    let layer = WarmLayer::new(model.starter(SECOND));
    let answer = layer.layer(model.service()).oneshot(request("/")).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(model.log()[..4], ["start ", "stop ", "start ", "stop "], "what is left of one goes first");
    assert_eq!(layer.handle().stats().failed, 3);
}

#[tokio::test(start_paused = true)]
async fn a_starter_that_panics_has_failed_and_is_tried_again() {
    let model = Model::new();
    model.panics.store(2, SeqCst);
    let layer = WarmLayer::new(model.starter(SECOND));
    let answer = layer.layer(model.service()).oneshot(request("/")).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(
        (model.count("start"), layer.handle().stats().failed),
        (2, 1),
        "the first, and the stop after it"
    );
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_chosen_among_others_says_that_it_is_not_ready_and_starts() {
    let model = Model::new();
    let layer = WarmLayer::new(model.starter(10 * SECOND)).pending_while_cold();
    let mut service = layer.layer(model.service());
    let begin = Instant::now();
    let answer: Response<_> = {
        let ready = service.ready().await.unwrap();
        assert_eq!(Instant::now() - begin, 11 * SECOND);
        tower::Service::call(ready, request("/")).await.unwrap()
    };
    assert_eq!((answer.status(), layer.handle().stats().held), (StatusCode::OK, 0));
}

#[tokio::test(start_paused = true)]
async fn it_asks_again_when_that_start_has_failed() {
    let model = Model::new();
    model.fails.store(3, SeqCst);
    let layer = WarmLayer::new(model.starter(SECOND)).pending_while_cold();
    let mut service = layer.layer(model.service());
    tokio::time::timeout(60 * SECOND, service.ready()).await.unwrap().unwrap();
    assert_eq!(model.count("start"), 4);
}

#[tokio::test(start_paused = true)]
async fn probes_without_a_pause_do_not_keep_others_from_running() {
    let probes = Arc::new(AtomicU32::new(0));
    let counter = probes.clone();
    let starter = Functions::new(|_| async { Ok(()) }).probe(move |_| {
        let probes = counter.fetch_add(1, SeqCst);
        async move { if probes < 1_000_000 { Err("not yet".into()) } else { Ok(()) } }
    });
    let layer = WarmLayer::new(starter).probe_every(Duration::ZERO);
    layer.handle().warm();
    tokio::time::sleep(SECOND).await;
    assert!(probes.load(SeqCst) <= 1001, "{probes:?}");
}

#[tokio::test(start_paused = true)]
async fn the_answer_to_head_has_no_body_though_it_is_refused_or_late() {
    let model = Model::new();
    let layer = WarmLayer::new(model.starter(SECOND)).hold(1, Duration::from_millis(100));
    let ask = |layer: &WarmLayer| {
        let mut head = request("/");
        *head.method_mut() = http::Method::HEAD;
        layer.layer(model.service()).oneshot(head)
    };
    let (late, refused) = tokio::join!(ask(&layer), ask(&layer));
    for answer in [late.unwrap(), refused.unwrap()] {
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(answer.headers().contains_key(RETRY_AFTER) && answer.body().is_end_stream());
    }
    let layer = WarmLayer::new(model.starter(SECOND)).loading_comments(SECOND, |_| true);
    assert_eq!(ask(&layer).await.unwrap().headers()["content-type"], "text/plain", "it waits for the head");
}
