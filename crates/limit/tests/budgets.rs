//! Keys, partitions and tokens: who is admitted beside whom, and that all is given back.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use dashpot_core::HttpClassify;
use dashpot_limit::{Head, LimitLayer, ResponseBody, policy::Fixed};
use dashpot_testkit::body::Scripted;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use proptest::prelude::*;
use tokio::time::{sleep, timeout};
use tower::{Layer, Service, ServiceExt};

const INSTANT: Duration = Duration::from_millis(1);

/// Answers with a body that never ends.
#[derive(Clone)]
struct Endless;

impl Service<Request<Full<Bytes>>> for Endless {
    type Response = Response<Scripted>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Scripted>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Full<Bytes>>) -> Self::Future {
        ready(Ok(Response::new(Scripted::new().data("a").forever())))
    }
}

type Answer = Response<ResponseBody<Scripted, HttpClassify>>;

fn request(headers: &[(&'static str, &str)]) -> Request<Full<Bytes>> {
    let mut request = Request::default();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    request
}

/// The answer while its slot is held; `None` if it was refused.
async fn ask(layer: &LimitLayer, request: Request<Full<Bytes>>) -> Option<Answer> {
    let answer = layer.layer(Endless).oneshot(request).await.unwrap();
    (answer.status() == StatusCode::OK).then_some(answer)
}

async fn ask_all(layer: &LimitLayer, headers: &[(&'static str, &str)], times: usize) -> Vec<Answer> {
    let mut answers = Vec::new();
    for _ in 0..times {
        answers.extend(ask(layer, request(headers)).await);
    }
    answers
}

fn keyed(limit: u32, capacity: usize) -> LimitLayer {
    LimitLayer::with_policy(Fixed::new(limit))
        .keyed(capacity, |head| head.extensions().get::<Key>().map(|key| key.0.as_str().into()))
}

#[derive(Clone)]
struct Key(String);

fn of(key: &str) -> Request<Full<Bytes>> {
    let mut request = Request::default();
    request.extensions_mut().insert(Key(key.into()));
    request
}

#[tokio::test]
async fn each_key_has_a_limit_of_its_own() {
    let layer = keyed(1, 8);
    let a = ask(&layer, of("a")).await.unwrap();
    assert!(ask(&layer, of("a")).await.is_none());
    let b = ask(&layer, of("b")).await.unwrap();
    let handle = layer.keyed_handle();
    assert_eq!((handle.len(), handle.stats().len()), (2, 2));
    let stats = handle.get("a").unwrap().stats();
    assert_eq!((stats.in_flight, stats.refused), (1, 1));
    handle.get("a").unwrap().set_limit(2);
    assert!(ask(&layer, of("a")).await.is_some());
    assert!(ask(&layer, of("b")).await.is_none());
    drop((a, b));
    assert!(handle.stats().iter().all(|(_, stats)| stats.in_flight == 0));
    assert!(handle.get("c").is_none());
}

#[tokio::test]
async fn keys_that_differ_in_case_or_a_trailing_space_do_not_share() {
    let layer = keyed(1, 8);
    let mut held = Vec::new();
    for key in ["gpt", "GPT", "gpt ", " gpt", ""] {
        held.push(ask(&layer, of(key)).await.expect(key));
    }
    assert_eq!(layer.keyed_handle().len(), 5);
}

#[tokio::test]
async fn those_without_a_key_and_those_with_one_too_long_share_the_default() {
    let layer = keyed(1, 8);
    let held = ask(&layer, Request::default()).await.unwrap();
    assert!(ask(&layer, of(&"x".repeat(257))).await.is_none());
    assert!(ask(&layer, of(&"x".repeat(256))).await.is_some());
    assert_eq!((layer.handle().stats().in_flight, layer.handle().stats().refused), (1, 1));
    drop(held);
    assert_eq!(layer.handle().stats().in_flight, 0);
}

#[tokio::test]
async fn a_hundred_thousand_keys_have_no_more_limits_than_there_is_room_for() {
    let layer = keyed(1, 64);
    let held = ask(&layer, of("held")).await.unwrap();
    for key in 0..100_000 {
        assert!(ask(&layer, of(&key.to_string())).await.is_some());
    }
    let handle = layer.keyed_handle();
    assert_eq!(handle.len(), 64);
    assert_eq!(handle.get("held").unwrap().stats().in_flight, 1);
    assert!(ask(&layer, of("held")).await.is_none(), "it was never made anew");
    drop(held);
}

#[tokio::test]
async fn when_all_keys_are_in_use_others_share_the_default() {
    let layer = keyed(1, 2);
    let held = (ask(&layer, of("a")).await.unwrap(), ask(&layer, of("b")).await.unwrap());
    let c = ask(&layer, of("c")).await.unwrap();
    assert!(ask(&layer, of("d")).await.is_none());
    assert_eq!((layer.keyed_handle().len(), layer.handle().stats().in_flight), (2, 1));
    drop((held, c));
    assert!(ask(&layer, of("c")).await.is_some());
    assert!(layer.keyed_handle().get("c").is_some());
}

fn partition<'a>(head: &Head<'a>) -> Option<&'a str> {
    head.header("partition")
}

const INTERACTIVE: &[(&str, &str)] = &[("partition", "interactive")];
const BATCH: &[(&str, &str)] = &[("partition", "batch")];

fn partitioned() -> LimitLayer {
    LimitLayer::with_policy(Fixed::new(10)).partitions([("interactive", 0.8), ("batch", 0.2)], partition)
}

fn in_partitions(layer: &LimitLayer) -> Vec<u32> {
    layer.handle().partitions().iter().map(|partition| partition.in_flight).collect()
}

#[tokio::test]
async fn a_partition_may_use_what_others_leave_but_takes_nobodys_share() {
    let layer = partitioned();
    let mut batch = ask_all(&layer, BATCH, 100).await;
    assert_eq!(batch.len(), 10, "there is room");
    let interactive = ask_all(&layer, INTERACTIVE, 100).await;
    assert_eq!(interactive.len(), 8, "its share, although the whole is full");
    assert_eq!((in_partitions(&layer), layer.handle().stats().in_flight), (vec![8, 10], 18));
    let handle = layer.handle();
    let refused: Vec<_> = handle.partitions().iter().map(|partition| partition.refused).collect();
    assert_eq!(refused, [92, 90]);
    batch.truncate(3);
    assert!(ask(&layer, request(BATCH)).await.is_none(), "it has its share");
    batch.truncate(1);
    assert!(ask(&layer, request(BATCH)).await.is_some());
    drop((batch, interactive));
    assert_eq!((in_partitions(&layer), handle.stats().in_flight), (vec![0, 0], 0));
}

#[tokio::test]
async fn those_of_no_partition_are_sure_of_nothing() {
    let layer = partitioned();
    let _held = ask_all(&layer, &[], 100).await;
    assert_eq!(layer.handle().stats().in_flight, 10);
    assert!(ask(&layer, request(&[("partition", "unknown")])).await.is_none());
    assert!(ask(&layer, request(INTERACTIVE)).await.is_some());
}

#[tokio::test]
async fn shares_follow_the_limit() {
    let layer = partitioned();
    layer.handle().set_limit(100);
    let guaranteed: Vec<_> =
        layer.handle().partitions().iter().map(|partition| partition.guaranteed).collect();
    assert_eq!(guaranteed, [80, 20]);
}

#[test]
#[should_panic(expected = "more than the whole")]
fn shares_of_more_than_the_whole_are_a_mistake() {
    let _ = LimitLayer::new().partitions([("a", 0.6), ("b", 0.5)], partition);
}

#[test]
#[should_panic(expected = "two partitions")]
fn two_partitions_of_one_name_are_a_mistake() {
    let _ = LimitLayer::new().partitions([("a", 0.1), ("a", 0.1)], partition);
}

#[tokio::test(start_paused = true)]
async fn whoever_has_room_in_a_share_need_not_wait_behind_others() {
    let layer = partitioned().wait(100, Duration::from_secs(60));
    let mut batch = ask_all(&layer, BATCH, 10).await;
    let mut interactive = ask_all(&layer, INTERACTIVE, 8).await;
    let ask = |headers: &'static [(&'static str, &'static str)]| {
        let layer = layer.clone();
        tokio::spawn(async move { ask(&layer, request(headers)).await.unwrap() })
    };
    let waiting_batch = ask(BATCH);
    sleep(INSTANT).await;
    let waiting_interactive = ask(INTERACTIVE);
    sleep(INSTANT).await;
    assert_eq!(layer.handle().stats().waiting, 2);
    batch.pop();
    sleep(INSTANT).await;
    assert_eq!(layer.handle().stats().waiting, 2, "more than the limit are in flight");
    interactive.pop();
    interactive.push(timeout(INSTANT, waiting_interactive).await.unwrap().unwrap());
    assert!(!waiting_batch.is_finished());
    batch.clear();
    batch.push(timeout(INSTANT, waiting_batch).await.unwrap().unwrap());
    assert_eq!((in_partitions(&layer), layer.handle().stats().waiting), (vec![8, 1], 0));
}

fn cost(head: &Head<'_>) -> u32 {
    head.header("cost").map_or(0, |cost| cost.parse().unwrap())
}

fn tokens(layer: &LimitLayer) -> u32 {
    layer.handle().stats().tokens.unwrap().in_flight
}

#[tokio::test]
async fn a_request_needs_room_in_both_budgets_and_gives_both_back() {
    let layer = LimitLayer::with_policy(Fixed::new(3)).tokens(100, cost);
    let a = ask(&layer, request(&[("cost", "60")])).await.unwrap();
    assert!(ask(&layer, request(&[("cost", "41")])).await.is_none());
    let b = ask(&layer, request(&[("cost", "40")])).await.unwrap();
    assert_eq!((tokens(&layer), layer.handle().stats().in_flight), (100, 2));
    let c = ask(&layer, request(&[("cost", "0")])).await.unwrap();
    assert!(ask(&layer, request(&[("cost", "0")])).await.is_none(), "the slots are taken");
    drop((a, b, c));
    let stats = layer.handle().stats();
    assert_eq!((tokens(&layer), stats.in_flight, stats.admitted, stats.refused), (0, 0, 3, 2));
}

#[tokio::test]
async fn what_costs_more_than_the_budget_is_admitted_alone() {
    let layer = LimitLayer::with_policy(Fixed::new(3)).tokens(100, cost);
    let small = ask(&layer, request(&[("cost", "1")])).await.unwrap();
    let huge = [("cost", "4294967295")];
    assert!(ask(&layer, request(&huge)).await.is_none());
    drop(small);
    let held = ask(&layer, request(&huge)).await.unwrap();
    assert_eq!(tokens(&layer), 100);
    assert!(ask(&layer, request(&[("cost", "1")])).await.is_none());
    drop(held);
    assert_eq!(tokens(&layer), 0);
}

#[tokio::test(start_paused = true)]
async fn nobody_overtakes_whoever_waits_for_tokens() {
    let layer = LimitLayer::with_policy(Fixed::new(9)).tokens(100, cost).wait(9, Duration::from_secs(60));
    let held = ask(&layer, request(&[("cost", "60")])).await.unwrap();
    let small = ask(&layer, request(&[("cost", "10")])).await.unwrap();
    let ask = |cost: &'static str| {
        let layer = layer.clone();
        tokio::spawn(async move { ask(&layer, request(&[("cost", cost)])).await.unwrap() })
    };
    let big = ask("95");
    sleep(INSTANT).await;
    let next = ask("5");
    sleep(INSTANT).await;
    drop(held);
    sleep(INSTANT).await;
    assert_eq!(layer.handle().stats().waiting, 2);
    drop(small);
    let answers = timeout(INSTANT, async { (big.await.unwrap(), next.await.unwrap()) }).await.unwrap();
    assert_eq!((tokens(&layer), layer.handle().stats().waiting), (100, 0));
    drop(answers);
    assert_eq!(tokens(&layer), 0);
}

#[tokio::test(start_paused = true)]
async fn when_whoever_waits_for_more_tokens_leaves_the_next_has_what_there_is() {
    let layer = LimitLayer::with_policy(Fixed::new(9)).tokens(100, cost).wait(9, Duration::from_secs(60));
    let _held = ask(&layer, request(&[("cost", "60")])).await.unwrap();
    let ask = |cost: &'static str| {
        let layer = layer.clone();
        tokio::spawn(async move { ask(&layer, request(&[("cost", cost)])).await.unwrap() })
    };
    let big = ask("95");
    sleep(INSTANT).await;
    let next = ask("40");
    sleep(INSTANT).await;
    assert_eq!(layer.handle().stats().waiting, 2);
    big.abort();
    let _answer = timeout(INSTANT, next).await.unwrap().unwrap();
    assert_eq!(tokens(&layer), 100);
}

proptest! {
    #[test]
    fn whatever_comes_and_goes_stays_in_its_bounds_and_leaves_nothing(
        steps in prop::collection::vec((0_usize..6, 0_usize..4, 0_u32..60, any::<u8>()), 0..200),
        limit in 1_u32..12,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let layer = LimitLayer::with_policy(Fixed::new(limit))
                .keyed(2, |head| head.header("key").map(Into::into))
                .partitions([("0", 0.5), ("1", 0.3)], partition)
                .tokens(50, cost);
            let keys = layer.keyed_handle();
            let mut held: Vec<Answer> = Vec::new();
            for (key, partition, cost, leave) in steps {
                let (key, partition, cost) = (key.to_string(), partition.to_string(), cost.to_string());
                let headers = [("key", &*key), ("partition", &*partition), ("cost", &*cost)];
                held.extend(ask(&layer, request(&headers)).await);
                if leave % 2 == 0 && !held.is_empty() {
                    drop(held.swap_remove(usize::from(leave) % held.len()));
                }
                let all: Vec<_> = keys.stats().into_iter().map(|(key, _)| keys.get(&key).unwrap())
                    .chain([layer.handle()]).collect();
                assert!(all.len() <= 3);
                let mut in_flight = 0;
                for handle in all {
                    let (stats, partitions) = (handle.stats(), handle.partitions());
                    in_flight += stats.in_flight as usize;
                    let sure: u32 = partitions.iter().map(|partition| partition.guaranteed).sum();
                    assert!(stats.in_flight <= limit + sure);
                    assert!(partitions.iter().map(|partition| partition.in_flight).sum::<u32>() <= stats.in_flight);
                    assert!(stats.tokens.unwrap().in_flight <= 50);
                }
                assert_eq!(in_flight, held.len());
            }
            held.clear();
            for (key, stats) in keys.stats() {
                let handle = keys.get(&key).unwrap();
                assert_eq!((stats.in_flight, stats.tokens.unwrap().in_flight), (0, 0));
                assert!(handle.partitions().iter().all(|partition| partition.in_flight == 0));
            }
            assert_eq!((layer.handle().stats().in_flight, tokens(&layer)), (0, 0));
        });
    }
}

#[test]
fn threads_that_come_wait_and_leave_at_random_leave_nothing_in_any_budget() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_time().build().unwrap();
    let layer = LimitLayer::with_policy(Fixed::new(4))
        .keyed(2, |head| head.header("key").map(Into::into))
        .partitions([("0", 0.5), ("1", 0.3)], partition)
        .tokens(100, cost)
        .wait(16, Duration::from_secs(5));
    runtime.block_on(async {
        let tasks: Vec<_> = (0..32_u32)
            .map(|seed| {
                let layer = layer.clone();
                tokio::spawn(async move {
                    let mut random = seed.wrapping_mul(2_654_435_769) | 1;
                    for _ in 0..500 {
                        random ^= random << 13;
                        random ^= random >> 17;
                        random ^= random << 5;
                        let key = (random >> 8 & 3).to_string();
                        let partition = (random >> 10 & 3).to_string();
                        let cost = (random >> 12 & 63).to_string();
                        let headers = [("key", &*key), ("partition", &*partition), ("cost", &*cost)];
                        let answer = ask(&layer, request(&headers));
                        if random % 3 == 0 {
                            let _ = timeout(Duration::from_micros(u64::from(random % 64)), answer).await;
                        } else {
                            let answer = answer.await;
                            if random % 5 == 0 {
                                tokio::task::yield_now().await;
                            }
                            drop(answer);
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            timeout(Duration::from_secs(60), task).await.expect("nobody is stuck").unwrap();
        }
    });
    let keys = layer.keyed_handle();
    for handle in keys.stats().iter().map(|(key, _)| keys.get(key).unwrap()).chain([layer.handle()]) {
        let stats = handle.stats();
        assert_eq!((stats.in_flight, stats.waiting, stats.tokens.unwrap().in_flight), (0, 0, 0), "{stats:?}");
        assert!(handle.partitions().iter().all(|partition| partition.in_flight == 0));
    }
}
