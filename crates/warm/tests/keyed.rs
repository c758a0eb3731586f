//! Upstreams by key.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{Model, SECOND, ask};
use dashpot_warm::{
    WarmLayer, WarmState,
    policy::{Fixed, Schedule, Window},
};
use http::StatusCode;

fn layer(model: &Model, capacity: usize) -> WarmLayer {
    WarmLayer::new(model.starter(SECOND)).policy(Fixed::new(60 * SECOND)).keyed(capacity, |head| {
        let path = head.uri().path().trim_start_matches('/');
        (!path.is_empty()).then(|| path.to_owned().into())
    })
}

#[tokio::test(start_paused = true)]
async fn each_key_starts_and_stops_by_itself() {
    let model = Model::new();
    let layer = layer(&model, 8);
    assert_eq!(ask(&layer, &model, "/a").await, StatusCode::OK);
    tokio::time::sleep(30 * SECOND).await;
    assert_eq!(ask(&layer, &model, "/b").await, StatusCode::OK);
    assert_eq!(ask(&layer, &model, "/").await, StatusCode::OK);
    assert_eq!((model.count("start a"), model.count("start b"), model.count("start ")), (1, 1, 3));
    tokio::time::sleep(40 * SECOND).await;
    let state = |key| layer.keyed_handle().get(key).unwrap().state();
    assert_eq!(
        (state("a"), state("b"), layer.handle().state()),
        (WarmState::Cold, WarmState::Warm, WarmState::Warm)
    );
    let mut keys: Vec<_> =
        layer.keyed_handle().stats().into_iter().map(|(key, stats)| (key, stats.held)).collect();
    keys.sort();
    assert_eq!(keys, [("a".into(), 1), ("b".into(), 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_warm_keeps_its_place_and_one_that_is_cold_makes_room() {
    let model = Model::new();
    let layer = layer(&model, 2);
    for path in ["/a", "/b"] {
        assert_eq!(ask(&layer, &model, path).await, StatusCode::OK);
    }
    assert_eq!(ask(&layer, &model, "/c").await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(model.count("start c"), 0);
    tokio::time::sleep(70 * SECOND).await;
    assert_eq!(ask(&layer, &model, "/c").await, StatusCode::OK);
    assert_eq!(layer.keyed_handle().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_nobody_has_asked_for_can_be_warmed() {
    let model = Model::new();
    let layer = layer(&model, 2);
    let handle = layer.keyed_handle().get_or_make("a").unwrap();
    handle.warm();
    assert!(handle.subscribe().ready().await);
    assert_eq!(ask(&layer, &model, "/a").await, StatusCode::OK);
    assert_eq!((model.count("start a"), handle.stats().passed), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn no_task_is_left_of_a_key_that_is_forgotten() {
    let model = Model::new();
    let day = Schedule::new([Window::daily((0, 0), (0, 1)).on([0])], SECOND);
    let layer = layer(&model, 2).policy(day);
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    for n in 0..100 {
        assert_eq!(ask(&layer, &model, &format!("/{n}")).await, StatusCode::OK);
        tokio::time::sleep(30 * SECOND).await;
    }
    assert!(tasks() <= 2, "{} tasks for 2 keys", tasks());
}

#[tokio::test(start_paused = true)]
async fn an_empty_key_is_none_and_not_another_upstream_of_that_name() {
    let model = Model::new();
    let layer = WarmLayer::new(model.starter(SECOND)).keyed(2, |head| {
        let path = head.uri().path();
        (path != "/none").then(|| path.trim_start_matches('/').into())
    });
    for path in ["/", "/none"] {
        assert_eq!(ask(&layer, &model, path).await, StatusCode::OK);
    }
    let handles = layer.keyed_handle();
    assert!(handles.get("").unwrap().is_ready() && handles.get_or_make("").unwrap().is_ready());
    assert_eq!((model.count("start"), handles.len()), (1, 0));
    let long = "x".repeat(257);
    assert!(handles.get_or_make(&long).is_none(), "no request has it");
    assert_eq!(ask(&layer, &model, &format!("/{long}")).await, StatusCode::OK);
    assert_eq!((model.count("start"), handles.len()), (1, 0));
}
