//! What a warm upstream does: it stays so, is stopped, is lost, and comes back.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::time::Duration;

use common::{Model, SECOND, ask, request};
use dashpot_warm::{
    WarmLayer, WarmState,
    policy::{Always, Budget, Fixed, HybridHistogram},
};
use http::StatusCode;
use http_body_util::BodyExt;
use tokio::time::Instant;
use tower::{Layer, ServiceExt};

#[tokio::test(start_paused = true)]
async fn it_stays_warm_from_the_end_of_the_last_body() {
    let model = Model::new();
    let layer = WarmLayer::new(model.starter(SECOND)).policy(Fixed::new(60 * SECOND));
    let answer = layer.layer(model.service()).oneshot(request("/slow")).await.unwrap();
    tokio::time::sleep(1000 * SECOND).await;
    assert_eq!((model.count("stop"), layer.handle().stats().in_flight), (0, 1));
    model.end.fire();
    answer.into_body().collect().await.unwrap();
    tokio::time::sleep(59 * SECOND).await;
    assert_eq!(model.count("stop"), 0);
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!((model.count("stop"), layer.handle().state()), (1, WarmState::Cold));
    let stats = layer.handle().stats();
    assert!(stats.idle >= 58 * SECOND && stats.idle <= 60 * SECOND, "{:?}", stats.idle);
}

#[tokio::test(start_paused = true)]
async fn of_a_request_that_comes_alone_the_end_is_known_to_the_moment() {
    let model = Model::new();
    let layer = WarmLayer::new(model.starter(SECOND)).policy(Fixed::new(60 * SECOND));
    assert_eq!(ask(&layer, &model, "/").await, StatusCode::OK);
    tokio::time::sleep(30 * SECOND).await;
    let answer = layer.layer(model.service()).oneshot(request("/slow")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(20_300)).await;
    model.end.fire();
    answer.into_body().collect().await.unwrap();
    let ended = Instant::now();
    let mut changes = layer.handle().subscribe();
    while changes.state() == WarmState::Warm {
        changes.changed().await;
    }
    assert_eq!(Instant::now() - ended, 60 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn what_is_expected_is_started_so_early_that_it_is_ready() {
    let model = Model::new();
    // Expected a tenth early: ten seconds, where a start takes twenty-two.
    let layer = WarmLayer::new(model.starter(20 * SECOND)).policy(HybridHistogram::new().bins(600, SECOND));
    let mut waits = Vec::new();
    for _ in 0..6 {
        let begin = Instant::now();
        assert_eq!(ask(&layer, &model, "/").await, StatusCode::OK);
        waits.push((Instant::now() - begin).as_secs());
        tokio::time::sleep(100 * SECOND).await;
    }
    assert_eq!(waits, [22, 0, 0, 0, 0, 0]);
    assert!(model.count("stop") >= 3, "between it is not warm");
}

#[tokio::test(start_paused = true)]
async fn requests_one_after_the_other_keep_it_warm() {
    let model = Model::new();
    let layer = WarmLayer::new(model.starter(SECOND)).policy(Fixed::new(10 * SECOND));
    for _ in 0..100 {
        assert_eq!(ask(&layer, &model, "/").await, StatusCode::OK);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    for _ in 0..20 {
        assert_eq!(ask(&layer, &model, "/").await, StatusCode::OK);
        tokio::time::sleep(9 * SECOND).await;
    }
    assert_eq!((model.count("start"), model.count("stop")), (1, 0));
    let stats = layer.handle().stats();
    assert_eq!((stats.passed, stats.held), (119, 1));
    // Of requests that follow each other closely it is seen within a sixteenth that they have ended.
    for _ in 0..30 {
        assert_eq!(ask(&layer, &model, "/").await, StatusCode::OK);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(11 * SECOND).await;
    assert_eq!(model.count("stop"), 1);
}

#[tokio::test(start_paused = true)]
async fn an_operator_warms_it_cools_it_and_sees_what_happens() {
    let model = Model::new();
    let layer = WarmLayer::new(model.starter(10 * SECOND));
    let handle = layer.handle();
    let mut changes = handle.subscribe();
    assert!(!handle.is_ready());
    handle.warm();
    assert_eq!(changes.changed().await, Some(WarmState::Starting));
    assert!(changes.ready().await && handle.is_ready());
    assert_eq!(ask(&layer, &model, "/").await, StatusCode::OK);
    assert_eq!(handle.stats().held, 0, "nobody had to wait");

    let slow = layer.layer(model.service()).oneshot(request("/slow")).await.unwrap();
    handle.cool();
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!((handle.state(), model.count("stop")), (WarmState::Draining, 0));
    model.end.fire();
    slow.into_body().collect().await.unwrap();
    tokio::time::sleep(1000 * SECOND).await;
    assert_eq!((handle.state(), model.count("stop"), model.count("start")), (WarmState::Cold, 1, 1));
    assert_eq!(ask(&layer, &model, "/").await, StatusCode::OK);
    assert_eq!(model.count("start"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_is_cooled_is_dropped_and_stopped() {
    let model = Model::new();
    let layer = WarmLayer::new(model.starter(10 * SECOND));
    let handle = layer.handle();
    handle.warm();
    tokio::time::sleep(SECOND).await;
    handle.cool();
    tokio::time::sleep(20 * SECOND).await;
    assert_eq!(model.log(), ["start ", "stop "]);
    assert_eq!(handle.state(), WarmState::Cold);
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_begins_by_itself_does_so_when_it_is_told() {
    let model = Model::new();
    let layer = WarmLayer::new(model.starter(10 * SECOND)).policy(Always);
    tokio::time::sleep(20 * SECOND).await;
    assert_eq!(model.count("start"), 0);
    layer.handle().follow_policy();
    tokio::time::sleep(20 * SECOND).await;
    assert!(layer.handle().is_ready());
    tokio::time::sleep(100_000 * SECOND).await;
    assert!(layer.handle().is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_budget_stops_what_the_policy_would_keep() {
    let model = Model::new();
    let layer = WarmLayer::new(model.starter(SECOND))
        .policy(Always)
        .budget(Budget::new(100 * SECOND, 10_000 * SECOND));
    assert_eq!(ask(&layer, &model, "/").await, StatusCode::OK);
    tokio::time::sleep(5000 * SECOND).await;
    let stats = layer.handle().stats();
    assert_eq!((stats.state, stats.idle), (WarmState::Cold, 100 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn requests_that_come_by_the_hour_find_it_warm_once_that_is_known() {
    let model = Model::new();
    let policy = HybridHistogram::new().fallback(600 * SECOND);
    let layer = WarmLayer::new(model.starter(10 * SECOND)).policy(policy);
    let mut waits = Vec::new();
    for _ in 0..6 {
        let begin = Instant::now();
        assert_eq!(ask(&layer, &model, "/").await, StatusCode::OK);
        waits.push((Instant::now() - begin).as_secs());
        tokio::time::sleep(3600 * SECOND).await;
    }
    assert_eq!(waits, [11, 11, 0, 0, 0, 0]);
    let stats = layer.handle().stats();
    assert!(stats.idle < 6 * 1200 * SECOND, "{:?}", stats.idle);
}

#[tokio::test(start_paused = true)]
async fn when_the_layer_goes_its_upstream_is_stopped_after_its_last_body() {
    let model = Model::new();
    let layer = WarmLayer::new(model.starter(SECOND)).policy(Always);
    let body = layer.layer(model.service()).oneshot(request("/slow")).await.unwrap();
    drop(layer);
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(model.count("stop"), 0);
    model.end.fire();
    body.into_body().collect().await.unwrap();
    tokio::time::sleep(SECOND).await;
    assert_eq!(model.log(), ["start ", "primed", "call /slow", "stop "]);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_change_is_not_told_of_what_has_not_changed() {
    let model = Model::new();
    let layer = WarmLayer::new(model.starter(SECOND));
    assert_eq!(ask(&layer, &model, "/").await, StatusCode::OK);
    tokio::time::sleep(20 * SECOND).await;
    let mut changes = layer.handle().subscribe();
    assert_eq!(layer.handle().stats().state, WarmState::Warm);
    assert_eq!(ask(&layer, &model, "/").await, StatusCode::OK);
    assert!(tokio::time::timeout(60 * SECOND, changes.changed()).await.is_err());
    layer.handle().cool();
    assert_eq!(changes.changed().await, Some(WarmState::Draining));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_one_that_passed_without_a_look_ends_the_wait_for_it() {
    let model = Model::new();
    let layer = WarmLayer::new(model.starter(SECOND));
    assert_eq!(ask(&layer, &model, "/").await, StatusCode::OK);
    tokio::time::sleep(20 * SECOND).await;
    let first = layer.layer(model.service()).oneshot(request("/slow")).await.unwrap();
    let second = layer.layer(model.service()).oneshot(request("/slow")).await.unwrap();
    layer.handle().cool();
    drop(first);
    tokio::time::sleep(SECOND).await;
    assert_eq!(layer.handle().state(), WarmState::Draining);
    drop(second);
    tokio::time::sleep(SECOND).await;
    assert_eq!(layer.handle().state(), WarmState::Cold);
}
