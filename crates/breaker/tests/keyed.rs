//! A breaker for each key.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::{convert::Infallible, future::ready, time::Duration};

use bytes::Bytes;
use common::{SECOND, now};
use dashpot_breaker::{BreakerLayer, BreakerState, Control, KeyedHandle};
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use tokio::time::sleep;
use tower::{Layer, Service, ServiceExt, service_fn};

fn by_model(capacity: usize) -> (BreakerLayer, KeyedHandle) {
    let layer = BreakerLayer::new().keyed(capacity, |head| head.header("x-model").map(Into::into));
    let handle = layer.keyed_handle();
    (layer, handle)
}

fn request(model: &str) -> Request<Empty<Bytes>> {
    Request::builder().header("x-model", model).body(Empty::new()).unwrap()
}

async fn call(layer: &BreakerLayer, request: Request<Empty<Bytes>>, code: u16) -> u16 {
    let service = layer.layer(service_fn(move |_| {
        let response = Response::builder().status(code).body(Full::<Bytes>::default());
        ready(Ok::<_, Infallible>(response.unwrap()))
    }));
    let answer = service.oneshot(request).await.unwrap();
    let status = answer.status();
    answer.into_body().collect().await.unwrap();
    status.as_u16()
}

fn state(handle: &KeyedHandle, key: &str) -> Option<BreakerState> {
    handle.get(key).map(|handle| handle.stats().state)
}

#[tokio::test(start_paused = true)]
async fn one_model_that_fails_closes_the_door_to_no_other() {
    let (layer, handle) = by_model(8);
    for model in ["a", "A", "a/b"] {
        assert_eq!(call(&layer, request(model), 200).await, 200);
    }
    for _ in 0..5 {
        assert_eq!(call(&layer, request("a"), 500).await, 500);
    }
    assert_eq!(state(&handle, "a"), Some(BreakerState::Open));
    assert_eq!(call(&layer, request("a"), 200).await, 503);
    for other in ["A", "a/b", "new"] {
        assert_eq!(call(&layer, request(other), 200).await, 200);
    }
    let plain = Request::new(Empty::new());
    assert_eq!(call(&layer, plain, 200).await, 200);
    assert_eq!((handle.len(), layer.handle().stats().calls), (4, 1));
    let mut keys: Vec<_> = handle.stats().into_iter().map(|(key, stats)| (key, stats.state)).collect();
    keys.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(keys.iter().map(|(key, _)| &**key).collect::<Vec<_>>(), ["A", "a", "a/b", "new"]);
    assert_eq!(keys[1].1, BreakerState::Open);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_too_long_is_none() {
    let (layer, handle) = by_model(8);
    let longest = "x".repeat(256);
    for model in [longest.clone(), longest + "x"] {
        for _ in 0..5 {
            assert_eq!(call(&layer, request(&model), 500).await, 500);
        }
    }
    assert_eq!((handle.len(), layer.handle().stats().state), (1, BreakerState::Open));
}

#[tokio::test(start_paused = true)]
async fn whatever_clients_send_there_are_no_more_than_fit_and_those_in_use_stay() {
    let (layer, handle) = by_model(4);
    let mut service = layer.layer(service_fn(|_: Request<Empty<Bytes>>| {
        std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>()
    }));
    let under_way = service.ready().await.unwrap().call(request("in use"));
    for n in 0..10_000 {
        assert_eq!(call(&layer, request(&n.to_string()), 500).await, 500);
        assert!(handle.len() <= 4);
    }
    assert!(handle.get("in use").is_some());
    drop(under_way);
    for n in 0..4 {
        call(&layer, request(&n.to_string()), 200).await;
    }
    assert!(handle.get("in use").is_none());
}

#[tokio::test(start_paused = true)]
async fn keys_that_are_as_good_as_new_are_forgotten_and_those_that_are_open_are_not() {
    let (layer, handle) = by_model(10_000);
    for n in 0..60 {
        call(&layer, request(&n.to_string()), 200).await;
    }
    for _ in 0..5 {
        call(&layer, request("broken"), 500).await;
    }
    assert_eq!(handle.len(), 61);
    handle.get("broken").unwrap().trip("for long", now() + Duration::from_secs(3600));
    handle.get("0").unwrap().trip("a test", now());
    for _ in 0..3 {
        call(&layer, request("0"), 200).await;
    }
    assert_eq!(state(&handle, "0"), Some(BreakerState::Recovering), "and nobody calls it any more");
    sleep(61 * SECOND).await;
    for n in 100..103 {
        call(&layer, request(&n.to_string()), 200).await;
    }
    assert_eq!(handle.len(), 4, "that which is broken, and three that are new");
    assert_eq!(state(&handle, "broken"), Some(BreakerState::Open));
    for n in 0..1_000 {
        call(&layer, request(&n.to_string()), 200).await;
    }
    assert_eq!(handle.len(), 1_004 - 3, "within their window all are known; 3 of them have come before");
}

#[tokio::test(start_paused = true)]
async fn keys_are_forgotten_too_where_few_fit_and_once_all_places_were_taken() {
    for capacity in [8, 100] {
        let (layer, handle) = by_model(capacity);
        for n in 0..capacity {
            call(&layer, request(&n.to_string()), 200).await;
        }
        assert_eq!(handle.len(), capacity);
        sleep(3600 * SECOND).await;
        for n in 1_000..1_003 {
            call(&layer, request(&n.to_string()), 200).await;
        }
        assert!(handle.len() <= 3, "{} of {capacity}", handle.len());
    }
}

/// It was used longest ago, since who was refused stays away.
#[tokio::test(start_paused = true)]
async fn one_that_is_as_good_as_new_makes_room_before_one_that_is_open() {
    let (layer, handle) = by_model(8);
    for _ in 0..5 {
        call(&layer, request("broken"), 500).await;
    }
    handle.get("broken").unwrap().trip("for long", now() + Duration::from_secs(7200));
    for n in 0..7 {
        call(&layer, request(&n.to_string()), 200).await;
    }
    sleep(3600 * SECOND).await;
    call(&layer, request("new"), 200).await;
    assert_eq!(state(&handle, "broken"), Some(BreakerState::Open));
}

#[tokio::test(start_paused = true)]
async fn one_that_an_operator_has_taken_over_is_not_as_good_as_new() {
    let (layer, handle) = by_model(100);
    call(&layer, request("a"), 200).await;
    handle.get("a").unwrap().force_closed();
    sleep(3600 * SECOND).await;
    call(&layer, request("new"), 200).await;
    assert_eq!(handle.get("a").unwrap().stats().control, Control::ForcedClosed);
}
