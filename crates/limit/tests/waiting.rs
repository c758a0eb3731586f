//! Requests that wait for a slot: who gets it, when, and what becomes of those who do not.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use dashpot_core::{Deadline, Rejection};
use dashpot_limit::{Handle, LimitLayer, policy::Fixed};
use dashpot_testkit::body::Scripted;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tower::{Layer, Service, ServiceExt, limit::ConcurrencyLimitLayer};

const SECOND: Duration = Duration::from_secs(1);
const INSTANT: Duration = Duration::from_millis(1);

/// Answers with a body that never ends.
#[derive(Clone)]
struct Endless;

impl Service<Request<Full<Bytes>>> for Endless {
    type Response = Response<Scripted>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Scripted>, Infallible>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Full<Bytes>>) -> Self::Future {
        ready(Ok(Response::new(Scripted::new().data("a").forever())))
    }
}

type Answer = Response<dashpot_limit::ResponseBody<Scripted, dashpot_core::HttpClassify>>;

/// A layer at limit 1 whose one slot is taken, until the answer is dropped.
async fn full(max_waiting: usize, max_wait: Duration) -> (LimitLayer, Handle, Answer) {
    let layer = LimitLayer::with_policy(Fixed::new(1)).wait(max_waiting, max_wait);
    let handle = layer.handle();
    let holder = call(&layer, Request::default()).await;
    assert_eq!(holder.status(), StatusCode::OK);
    (layer, handle, holder)
}

async fn call(layer: &LimitLayer, request: Request<Full<Bytes>>) -> Answer {
    layer.layer(Endless).oneshot(request).await.unwrap()
}

/// A request that waits; once it is answered it writes down its name, keeps its slot for a second, and tells the status.
fn come(layer: &LimitLayer, name: u32, order: &Arc<Mutex<Vec<u32>>>) -> JoinHandle<StatusCode> {
    let (layer, order) = (layer.clone(), order.clone());
    tokio::spawn(async move {
        let answer = call(&layer, Request::default()).await;
        if answer.status() == StatusCode::OK {
            order.lock().unwrap().push(name);
            sleep(SECOND).await;
        }
        answer.status()
    })
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_for_a_slot_and_is_then_served() {
    let (layer, handle, holder) = full(4, 10 * SECOND).await;
    let waiting = tokio::spawn(async move { call(&layer, Request::default()).await });
    sleep(SECOND).await;
    assert_eq!((handle.stats().in_flight, handle.stats().waiting), (1, 1));
    drop(holder);
    let answer = timeout(INSTANT, waiting).await.unwrap().unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!((handle.stats().in_flight, handle.stats().waiting), (1, 0));
    drop(answer);
    let stats = handle.stats();
    assert_eq!((stats.in_flight, stats.admitted, stats.refused), (0, 2, 0));
}

#[tokio::test(start_paused = true)]
async fn while_a_spike_drains_everybody_is_served_in_turn() {
    let (layer, _, holder) = full(8, 60 * SECOND).await;
    let order = Arc::default();
    let mut waiting = Vec::new();
    for name in 0..4 {
        waiting.push(come(&layer, name, &order));
        sleep(INSTANT).await;
    }
    drop(holder);
    for waiting in waiting {
        assert_eq!(waiting.await.unwrap(), StatusCode::OK);
    }
    assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn nobody_overtakes_those_who_wait() {
    let (layer, handle, holder) = full(8, 60 * SECOND).await;
    let order = Arc::default();
    let first = come(&layer, 1, &order);
    sleep(INSTANT).await;
    drop(holder);
    // The slot is free for no moment.
    let second = come(&layer, 2, &order);
    assert_eq!((first.await.unwrap(), second.await.unwrap()), (StatusCode::OK, StatusCode::OK));
    assert_eq!(*order.lock().unwrap(), [1, 2]);
    assert_eq!(handle.stats().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn when_a_backlog_stands_whoever_came_last_goes_first() {
    // One comes each half second, one leaves each second: it can only get longer.
    let (layer, handle, holder) = full(100, 8 * SECOND).await;
    let order = Arc::default();
    let mut waiting = Vec::new();
    drop(holder);
    for name in 0..80 {
        waiting.push(come(&layer, name, &order));
        sleep(SECOND / 2).await;
    }
    let order: Vec<u32> = order.lock().unwrap().clone();
    assert!(order[..4].is_sorted(), "{order:?}");
    let last = &order[order.len() - 10..];
    assert!(last.is_sorted() && last[0] >= 55, "of the newest each time: {order:?}");
    let mut refused = 0;
    for waiting in waiting {
        refused += u32::from(waiting.await.unwrap() == StatusCode::SERVICE_UNAVAILABLE);
    }
    assert!((30..50).contains(&refused), "{refused}");
    assert_eq!((handle.stats().in_flight, handle.stats().waiting), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn who_has_waited_long_enough_is_refused() {
    let (layer, handle, _holder) = full(4, 3 * SECOND).await;
    let begin = Instant::now();
    let answer = call(&layer, Request::default()).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers().contains_key("retry-after"));
    assert_eq!(answer.extensions().get::<Rejection>().unwrap().layer(), "limit");
    assert!(
        (3 * SECOND..3 * SECOND + 2 * INSTANT).contains(&Instant::now().saturating_duration_since(begin))
    );
    assert_eq!((handle.stats().waiting, handle.stats().refused), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn who_finds_the_queue_full_is_refused_at_once() {
    let (layer, handle, holder) = full(2, 60 * SECOND).await;
    let order = Arc::default();
    let waiting = [come(&layer, 0, &order), come(&layer, 1, &order)];
    sleep(INSTANT).await;
    let begin = Instant::now();
    assert_eq!(call(&layer, Request::default()).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(Instant::now(), begin);
    drop(holder);
    for waiting in waiting {
        assert_eq!(waiting.await.unwrap(), StatusCode::OK);
    }
    assert_eq!(handle.stats().refused, 1);
}

fn within(time: Duration) -> Request<Full<Bytes>> {
    let mut request = Request::default();
    request.extensions_mut().insert(Deadline::after(Instant::now().into_std(), time).unwrap());
    request
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_beyond_a_deadline() {
    let (layer, _, _holder) = full(4, 60 * SECOND).await;
    let begin = Instant::now();
    assert_eq!(call(&layer, within(2 * SECOND)).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(Instant::now().saturating_duration_since(begin) <= 2 * SECOND + 2 * INSTANT);
    let begin = Instant::now();
    assert_eq!(call(&layer, within(Duration::ZERO)).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(Instant::now(), begin, "there is nothing to wait for");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_served_in_time_is_refused_at_once() {
    let layer = LimitLayer::with_policy(Fixed::new(1)).wait(100, 60 * SECOND);
    // One leaves each second: the layer has seen it.
    let order = Arc::default();
    let waiting: Vec<_> = (0..20).map(|name| come(&layer, name, &order)).collect();
    sleep(12 * SECOND).await;
    let begin = Instant::now();
    let answer = call(&layer, within(3 * SECOND)).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "seven are ahead");
    assert_eq!(Instant::now(), begin);
    let answer = call(&layer, within(30 * SECOND)).await;
    assert_eq!(answer.status(), StatusCode::OK);
    for waiting in waiting {
        assert_eq!(waiting.await.unwrap(), StatusCode::OK);
    }
}

#[tokio::test(start_paused = true)]
async fn who_leaves_the_queue_leaves_no_trace() {
    let (layer, handle, holder) = full(2, 60 * SECOND).await;
    for _ in 0..100 {
        let request = call(&layer, Request::default());
        assert!(timeout(INSTANT, request).await.is_err());
    }
    assert_eq!((handle.stats().waiting, handle.stats().in_flight, handle.stats().refused), (0, 1, 0));
    drop(holder);
    let answer = timeout(INSTANT, call(&layer, Request::default())).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "nobody stands before an empty queue");
}

#[tokio::test(start_paused = true)]
async fn a_slot_that_comes_too_late_goes_to_the_next() {
    let (layer, handle, holder) = full(4, 60 * SECOND).await;
    let mut service = layer.layer(Endless);
    let mut gone = by_hand(service.ready().await.unwrap().call(Request::default()));
    assert!(gone.poll());
    let order = Arc::default();
    let next = come(&layer, 1, &order);
    sleep(INSTANT).await;
    drop(holder);
    // It has the slot, but was not polled again before it is dropped.
    assert_eq!((handle.stats().in_flight, handle.stats().waiting), (1, 1));
    drop(gone);
    assert_eq!(timeout(2 * SECOND, next).await.unwrap().unwrap(), StatusCode::OK);
    assert_eq!((handle.stats().in_flight, handle.stats().waiting), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_higher_limit_lets_them_in() {
    let (layer, handle, _holder) = full(4, 60 * SECOND).await;
    let order = Arc::default();
    let waiting = [come(&layer, 0, &order), come(&layer, 1, &order)];
    sleep(INSTANT).await;
    handle.set_limit(3);
    for waiting in waiting {
        assert_eq!(timeout(2 * SECOND, waiting).await.unwrap().unwrap(), StatusCode::OK);
    }
}

/// Polls once by hand, and says whether it is pending.
struct ByHand<F>(std::pin::Pin<Box<F>>);

fn by_hand<F: Future>(future: F) -> ByHand<F> {
    ByHand(Box::pin(future))
}

impl<F: Future> ByHand<F> {
    fn poll(&mut self) -> bool {
        self.0.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_pending()
    }
}

#[test]
fn threads_that_come_wait_and_leave_at_random_leave_nothing_behind() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_time().build().unwrap();
    let layer = LimitLayer::with_policy(Fixed::new(3)).wait(16, 5 * SECOND);
    let handle = layer.handle();
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
                        let answer = call(&layer, Request::default());
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
            timeout(60 * SECOND, task).await.expect("nobody is stuck").unwrap();
        }
    });
    let stats = handle.stats();
    assert_eq!((stats.in_flight, stats.waiting), (0, 0), "{stats:?}");
}

/// Waits for a slot of the limit, and further in there is one place only.
#[tokio::test(start_paused = true)]
async fn who_waits_or_is_refused_keeps_no_place_further_in() {
    for (max_waiting, status) in [(1, StatusCode::OK), (0, StatusCode::SERVICE_UNAVAILABLE)] {
        let (layer, _, holder) = full(max_waiting, 60 * SECOND).await;
        let one = ConcurrencyLimitLayer::new(1).layer(Endless);
        let mut service = layer.layer(one.clone());
        let answer = service.ready().await.unwrap().call(Request::default());
        if status == StatusCode::OK {
            drop(holder);
        }
        let answer = timeout(SECOND, answer).await.expect("its own service has its place").unwrap();
        assert_eq!(answer.status(), status);
        let other = timeout(SECOND, one.oneshot(Request::default())).await;
        assert!(other.is_ok(), "a service that is not called has the place");
        drop(service);
    }
}
