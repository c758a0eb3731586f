//! Killed (`SIGKILL`) in each state, it comes back.

use std::{
    pin::Pin,
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    time::Duration,
};

use dashpot_warm::{WarmLayer, WarmState, policy::Never, starter::Step};
use http::StatusCode;
use rustix::process::{Signal, kill_process};
use tokio::time::timeout;
use tower::{Layer, ServiceExt};

use crate::{LONG, Starter, World, ask, groups::is_gone, pid, reaches};

#[tokio::test]
async fn killed_in_any_state_it_comes_back() {
    let world = World::new();
    let starter = world.starter(150, 60);
    let layer = WarmLayer::new(starter.clone())
        .ramp(Duration::from_millis(500), 4, 8)
        .retry(Duration::from_millis(50), Duration::from_secs(1))
        .retry_cold();
    let handle = layer.handle();
    for state in [WarmState::Probing, WarmState::Priming, WarmState::Ramping, WarmState::Warm] {
        handle.warm();
        reaches(&handle, state).await;
        let group = pid(&starter);
        kill_process(group, Signal::KILL).unwrap();
        // Sooner or later it is seen that it is gone; a request that comes before that may meet a broken connection.
        timeout(LONG, async {
            while starter.pid("") == u32::try_from(group.as_raw_nonzero().get()).ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .unwrap();
        assert_eq!(ask(&layer, &world).await, StatusCode::OK, "after {state}");
        is_gone(group).await;
        let group = pid(&starter);
        handle.cool();
        reaches(&handle, WarmState::Cold).await;
        is_gone(group).await;
    }
}

#[tokio::test]
async fn killed_while_it_drains_it_is_cold_and_comes_back() {
    let world = World::new();
    let starter = world.starter(0, 300);
    let layer = WarmLayer::new(starter.clone()).retry_cold();
    let handle = layer.handle();
    handle.warm();
    reaches(&handle, WarmState::Ramping).await;
    let answer = tokio::spawn(layer.layer(world.client.clone()).oneshot(world.request()));
    while handle.stats().in_flight == 0 {
        tokio::task::yield_now().await;
    }
    handle.cool();
    assert_eq!(handle.state(), WarmState::Draining);
    let group = pid(&starter);
    kill_process(group, Signal::KILL).unwrap();
    assert!(answer.await.unwrap().is_err(), "its connection broke");
    reaches(&handle, WarmState::Cold).await;
    is_gone(group).await;
    assert_eq!(ask(&layer, &world).await, StatusCode::OK);
}

#[tokio::test]
async fn killed_in_its_sleep_it_is_cold_and_comes_back() {
    let world = World::new();
    let starter = world.starter(0, 1);
    let layer = WarmLayer::new(starter.clone()).policy(Never).sleep(LONG);
    assert_eq!(ask(&layer, &world).await, StatusCode::OK);
    let handle = layer.handle();
    reaches(&handle, WarmState::Sleeping).await;
    let first = pid(&starter);
    assert_eq!(ask(&layer, &world).await, StatusCode::OK);
    assert_eq!(pid(&starter), first, "it was only woken");
    reaches(&handle, WarmState::Sleeping).await;
    kill_process(first, Signal::KILL).unwrap();
    reaches(&handle, WarmState::Cold).await;
    is_gone(first).await;
    assert_eq!(ask(&layer, &world).await, StatusCode::OK);
}

#[tokio::test]
async fn killed_while_it_starts_or_after_it_has_failed_it_comes_back() {
    let world = World::new();
    let starter = world.starter(150, 10);
    let layer =
        WarmLayer::new(Slow(starter.clone(), AtomicBool::new(true))).retry(Duration::from_millis(50), LONG);
    let handle = layer.handle();
    for state in [WarmState::Failed, WarmState::Starting] {
        handle.warm();
        reaches(&handle, state).await;
        timeout(LONG, async {
            while starter.pid("").is_none() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
        assert_eq!(handle.state(), state);
        let group = pid(&starter);
        kill_process(group, Signal::KILL).unwrap();
        assert_eq!(ask(&layer, &world).await, StatusCode::OK, "after {state}");
        is_gone(group).await;
        assert_ne!(pid(&starter), group);
        handle.cool();
        reaches(&handle, WarmState::Cold).await;
    }
}

/// A process that takes its time to be started and stopped, and whose first prime may fail.
struct Slow(Starter, AtomicBool);

impl dashpot_warm::starter::Starter for Slow {
    fn start<'a>(&'a self, key: &'a str) -> Step<'a> {
        Box::pin(async move {
            self.0.start(key).await?;
            tokio::time::sleep(Duration::from_millis(300)).await;
            Ok(())
        })
    }

    fn probe<'a>(&'a self, key: &'a str) -> Step<'a> {
        self.0.probe(key)
    }

    fn prime<'a>(&'a self, key: &'a str) -> Step<'a> {
        if self.1.swap(false, SeqCst) {
            return Box::pin(async { Err("no word came back".into()) });
        }
        self.0.prime(key)
    }

    fn stop<'a>(&'a self, key: &'a str) -> Step<'a> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            self.0.stop(key).await
        })
    }

    fn ended<'a>(&'a self, key: &'a str) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        self.0.ended(key)
    }
}
