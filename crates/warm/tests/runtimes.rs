//! The task of an upstream dies: with its runtime, or of what users have written.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::{pin::Pin, time::Duration};

use common::{Model, SECOND, ask, request};
use dashpot_warm::{
    WarmLayer, WarmState,
    policy::{Fixed, Keep, Moment, Policy},
    starter::{Starter, Step},
};
use http::StatusCode;
use http_body_util::BodyExt;
use tokio::{runtime::Builder, time::timeout};
use tower::{Layer, ServiceExt};

#[test]
fn an_upstream_whose_runtime_has_gone_is_driven_by_the_next_one() {
    let model = Model::new();
    let layer = WarmLayer::new(model.starter(SECOND)).policy(Fixed::new(60 * SECOND));
    let runtime = || Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let first = runtime();
    let body = first.block_on(async {
        ask(&layer, &model, "/").await;
        tokio::time::sleep(20 * SECOND).await;
        assert_eq!(ask(&layer, &model, "/").await, StatusCode::OK);
        // In use, or else the next request would take the lock anyway.
        layer.layer(model.service()).oneshot(request("/slow")).await.unwrap()
    });
    drop(first);
    assert_eq!(layer.handle().stats().in_flight, 1, "nobody can drive it here");
    runtime().block_on(async {
        assert_eq!(ask(&layer, &model, "/").await, StatusCode::OK);
        model.end.fire();
        body.into_body().collect().await.unwrap();
        tokio::time::sleep(100 * SECOND).await;
        assert_eq!((model.count("stop"), layer.handle().state()), (1, WarmState::Cold));
    });
}

#[tokio::test(start_paused = true)]
async fn when_the_layer_goes_the_task_of_one_that_has_failed_ends_at_once() {
    let model = Model::new();
    model.fails.store(1, std::sync::atomic::Ordering::SeqCst);
    let layer = WarmLayer::new(model.starter(SECOND)).retry(1000 * SECOND, 1000 * SECOND);
    layer.handle().warm();
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!((layer.handle().state(), model.count("stop")), (WarmState::Failed, 1));
    drop(layer);
    tokio::time::sleep(SECOND).await;
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 0);
}

/// Panics where nothing comes back: while it is asked whether the upstream has ended.
struct Endless(Model);

impl Starter for Endless {
    fn start<'a>(&'a self, _: &'a str) -> Step<'a> {
        Box::pin(async {
            tokio::time::sleep(SECOND).await;
            self.0.up.store(true, std::sync::atomic::Ordering::SeqCst);
            Ok(())
        })
    }

    fn prime<'a>(&'a self, _: &'a str) -> Step<'a> {
        Box::pin(async {
            tokio::time::sleep(SECOND).await;
            Ok(())
        })
    }

    fn ended<'a>(&'a self, _: &'a str) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async { panic!("a starter that panics while it is asked whether the upstream has ended") })
    }
}

#[tokio::test(start_paused = true)]
async fn a_starter_that_cannot_tell_whether_it_has_ended_is_not_asked_again() {
    let model = Model::new();
    let layer = WarmLayer::new(Endless(model.clone())).policy(Fixed::new(60 * SECOND));
    assert_eq!(ask(&layer, &model, "/").await, StatusCode::OK);
    tokio::time::sleep(100 * SECOND).await;
    let mut changes = layer.handle().subscribe();
    while changes.state() != WarmState::Cold {
        timeout(60 * SECOND, changes.changed()).await.expect("nobody drives it");
    }
}

/// Panics when it is asked for a wish.
#[derive(Clone, Debug)]
struct Broken;

impl Policy for Broken {
    fn arrived(&mut self, _: Duration, _: Moment) {
        panic!("a policy that panics");
    }

    fn idle(&mut self, _: Moment) -> Keep {
        panic!("a policy that panics");
    }
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_panics_wants_nothing_and_nobody_is_hurt() {
    let model = Model::new();
    let layer = WarmLayer::new(model.starter(SECOND)).policy(Broken);
    for starts in 1..4 {
        assert_eq!(ask(&layer, &model, "/").await, StatusCode::OK);
        tokio::time::sleep(20 * SECOND).await;
        assert_eq!((layer.handle().state(), model.count("start")), (WarmState::Cold, starts));
    }
    let stats = layer.handle().stats();
    assert_eq!((stats.in_flight, stats.waiting), (0, 0));
}

/// Has no time that is too short for it.
#[derive(Clone, Debug)]
struct Coarse;

impl Policy for Coarse {
    fn idle(&mut self, _: Moment) -> Keep {
        Keep::NONE
    }

    fn resolution(&self) -> Duration {
        Duration::MAX
    }
}

#[tokio::test(start_paused = true)]
async fn a_resolution_without_end_is_one() {
    let model = Model::new();
    let layer = WarmLayer::new(model.starter(SECOND)).policy(Coarse);
    assert_eq!(ask(&layer, &model, "/").await, StatusCode::OK);
    tokio::time::sleep(20 * SECOND).await;
    assert_eq!(ask(&layer, &model, "/").await, StatusCode::OK);
    assert_eq!(layer.handle().stats().idle, Duration::ZERO);
}
