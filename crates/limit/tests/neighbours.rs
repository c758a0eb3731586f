//! Callers who share a limit: what one of them does, or asks for, must not cost the others theirs.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use dashpot_core::Deadline;
use dashpot_limit::{
    LimitLayer,
    policy::{Fixed, LittlesLaw, Snapshot},
};
use http::{HeaderValue, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use tokio::time::{Instant, sleep, timeout};
use tower::{Layer, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);

type Ask = Request<Full<Bytes>>;

/// One exchange with an upstream that takes so long: the status, and after how many seconds to try again.
async fn ask(layer: LimitLayer, time: Duration, request: Ask) -> (StatusCode, Option<u64>) {
    let upstream = service_fn(async |_: Ask| {
        sleep(time).await;
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("answer")))
    });
    let answer = layer.layer(upstream).oneshot(request).await.unwrap();
    let after = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().parse().unwrap());
    let status = answer.status();
    answer.into_body().collect().await.unwrap();
    (status, after)
}

fn with(name: &'static str, value: &'static str) -> Ask {
    let mut request = Ask::default();
    request.headers_mut().insert(name, HeaderValue::from_static(value));
    request
}

/// Of twelve clients who ask again and again for what takes 100 ms, how many requests are refused in two minutes, while
/// `neighbour` asks five times a second.
async fn refused(neighbour: impl AsyncFn(LimitLayer)) -> u32 {
    let layer = LimitLayer::with_policy(LittlesLaw::new().initial(20));
    let refused = Arc::new(Mutex::new(0));
    for client in 0..12 {
        let (layer, refused) = (layer.clone(), refused.clone());
        tokio::spawn(async move {
            sleep(8 * MILLI * client).await;
            loop {
                if ask(layer.clone(), 100 * MILLI, Ask::default()).await.0 != StatusCode::OK {
                    *refused.lock().unwrap() += 1;
                    sleep(100 * MILLI).await;
                }
            }
        });
    }
    sleep(60 * SECOND).await;
    *refused.lock().unwrap() = 0;
    for _ in 0..5 * 120 {
        neighbour(layer.clone()).await;
        sleep(200 * MILLI).await;
    }
    *refused.lock().unwrap()
}

#[tokio::test(start_paused = true)]
async fn deadlines_that_cannot_be_kept_lower_nobodys_limit() {
    assert_eq!(refused(async |_| {}).await, 0);
    let hasty = async |layer: LimitLayer| {
        let mut request = Ask::default();
        request.extensions_mut().insert(Deadline::after(Instant::now().into_std(), MILLI).unwrap());
        let _ = timeout(MILLI, ask(layer, 100 * MILLI, request)).await;
    };
    assert_eq!(refused(hasty).await, 0);
}

/// The server keeps the client's deadline, and says so with a status that is an overload otherwise.
#[tokio::test(start_paused = true)]
async fn so_it_is_with_deadlines_of_grpc() {
    let hasty = async |layer: LimitLayer| {
        let mut request = with("grpc-timeout", "1m");
        *request.version_mut() = Version::HTTP_2;
        let upstream = service_fn(async |_: Ask| {
            sleep(MILLI).await;
            let head =
                Response::builder().header("content-type", "application/grpc").header("grpc-status", "4");
            Ok::<_, Infallible>(head.body(Full::<Bytes>::default()).unwrap())
        });
        layer.layer(upstream).oneshot(request).await.unwrap();
    };
    assert_eq!(refused(hasty).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_flood_in_one_partition_does_not_send_another_away_for_longer() {
    let partition = |name| with("x-partition", name);
    let layer = LimitLayer::with_policy(Fixed::new(10))
        .partitions([("a", 0.5), ("b", 0.5)], |head| head.header("x-partition"));
    for client in 0..10 {
        let (layer, name) = (layer.clone(), if client < 5 { "a" } else { "b" });
        tokio::spawn(async move {
            loop {
                ask(layer.clone(), SECOND, partition(name)).await;
            }
        });
    }
    // How fast slots come free is known while they are wanted.
    for _ in 0..15 {
        sleep(SECOND).await;
        ask(layer.clone(), SECOND, partition("a")).await;
    }
    sleep(SECOND / 2).await;
    let (_, quiet) = ask(layer.clone(), SECOND, partition("b")).await;
    for _ in 0..2000 {
        ask(layer.clone(), SECOND, partition("a")).await;
    }
    let (_, flooded) = ask(layer.clone(), SECOND, partition("b")).await;
    assert!(flooded <= quiet.map(|after| after + 1), "{quiet:?} {flooded:?}");
    let (_, own) = ask(layer, SECOND, partition("a")).await;
    assert_eq!(own, Some(60), "those who flood are");
}

/// A request of 80 tokens, while one of 40 comes each half second and takes one.
async fn large_among_small(layer: LimitLayer) -> StatusCode {
    let layer = layer
        .wait(10, 5 * SECOND)
        .tokens(100, |head| head.header("x-cost").and_then(|cost| cost.parse().ok()).unwrap_or_default());
    tokio::spawn(ask(layer.clone(), SECOND, with("x-cost", "40")));
    sleep(10 * MILLI).await;
    let large = tokio::spawn(ask(layer.clone(), SECOND, with("x-cost", "80")));
    sleep(490 * MILLI).await;
    for _ in 0..12 {
        tokio::spawn(ask(layer.clone(), SECOND, with("x-cost", "40")));
        sleep(SECOND / 2).await;
    }
    large.await.unwrap().0
}

#[tokio::test(start_paused = true)]
async fn a_large_request_has_its_turn_among_small_ones() {
    let layer = || LimitLayer::with_policy(Fixed::new(10));
    assert_eq!(large_among_small(layer()).await, StatusCode::OK);
    assert_eq!(large_among_small(layer().partitions([("a", 1.0)], |_| Some("a"))).await, StatusCode::OK);
}

#[tokio::test]
async fn what_was_learned_of_a_key_can_be_restored_before_its_first_request() {
    let layer = LimitLayer::new().keyed(8, |head| head.header("x-model").map(Into::into));
    let keys = layer.keyed_handle();
    keys.restore("gpt", &Snapshot { limit: 37.0, ..Snapshot::default() });
    assert_eq!(keys.get("gpt").unwrap().stats().limit, 37);
    keys.restore(&"x".repeat(257), &Snapshot::default());
    assert_eq!(keys.len(), 1, "no request has such a key");
}
