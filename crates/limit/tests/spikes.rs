//! What comes at once, waits, leaves, and is told when to come back.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    collections::BTreeMap,
    convert::Infallible,
    pin::pin,
    sync::{Arc, Mutex, OnceLock, mpsc},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use dashpot_limit::{
    Handle, LimitLayer, Policy,
    policy::{Belief, Event, Fixed, Observation, Reason},
};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use tower::{Layer, Service, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);

type Ask = Request<Full<Bytes>>;

/// A limit that stays, and writes down what it is told.
#[derive(Clone, Debug)]
struct Told(Arc<Mutex<Vec<Event>>>, f64);

impl Told {
    fn new(limit: f64) -> Self {
        Self(Arc::default(), limit)
    }

    fn take(&self) -> Vec<Event> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Policy for Told {
    fn limit(&self) -> f64 {
        self.1
    }

    fn observe(&mut self, _: Instant, observation: &Observation) {
        self.0.lock().unwrap().push(observation.event);
    }

    fn belief(&self) -> Belief {
        Belief::new(Reason::Set)
    }

    fn set_limit(&mut self, _: f64) {}
}

async fn answer(time: Duration) -> Result<Response<Full<Bytes>>, Infallible> {
    sleep(time).await;
    Ok(Response::new(Full::from("answer")))
}

/// One exchange with an upstream that takes so long: the status, and after how many seconds to try again.
async fn ask(layer: LimitLayer, time: Duration) -> (StatusCode, Option<u64>) {
    let answer =
        layer.layer(service_fn(async |_: Ask| answer(time).await)).oneshot(Ask::default()).await.unwrap();
    let after = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().parse().unwrap());
    let status = answer.status();
    answer.into_body().collect().await.unwrap();
    (status, after)
}

async fn at_once(layer: &LimitLayer, count: u32) -> Vec<(StatusCode, Option<u64>)> {
    (0..count).map(|_| ask(layer.clone(), 100 * MILLI)).collect::<JoinSet<_>>().join_all().await
}

#[tokio::test(start_paused = true)]
async fn small_bursts_are_measured_for_ever() {
    let told = Told::new(100.0);
    let layer = LimitLayer::with_policy(told.clone());
    ask(layer.clone(), 100 * MILLI).await;
    for burst in 0..100 {
        told.take();
        at_once(&layer, 8).await;
        assert!(!told.take().is_empty(), "burst {burst}");
        sleep(SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_spike_after_little_load_or_none_is_served_late() {
    for idle in [Duration::ZERO, 3600 * SECOND] {
        let layer = LimitLayer::with_policy(Fixed::new(4)).wait(8, SECOND / 2);
        // One a second: how fast they come, and not how fast they could be served.
        for _ in 0..30 {
            ask(layer.clone(), 100 * MILLI).await;
            sleep(900 * MILLI).await;
        }
        sleep(idle).await;
        let served = at_once(&layer, 8).await;
        assert!(served.iter().all(|(status, _)| *status == StatusCode::OK), "{idle:?}: {served:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn after_an_idle_hour_nobody_is_sent_away_for_long() {
    let layer = LimitLayer::with_policy(Fixed::new(4));
    at_once(&layer, 4).await;
    sleep(3600 * SECOND).await;
    let served = at_once(&layer, 8).await;
    assert!(served.iter().all(|(_, after)| after.is_none_or(|after| after < 5)), "{served:?}");
}

#[tokio::test(start_paused = true)]
async fn when_nothing_leaves_those_who_are_refused_do_not_all_come_back_together() {
    let layer = LimitLayer::with_policy(Fixed::new(10));
    for _ in 0..100 {
        ask(layer.clone(), 50 * MILLI).await;
    }
    for _ in 0..10 {
        tokio::spawn(ask(layer.clone(), 3600 * SECOND));
    }
    let mut back = BTreeMap::<u64, u32>::new();
    for second in 0..30 {
        sleep(SECOND).await;
        for _ in 0..100 {
            *back.entry(second + ask(layer.clone(), SECOND).await.1.unwrap()).or_default() += 1;
        }
    }
    assert!(back.values().all(|&count| count < 1000), "{back:?}");
}

#[tokio::test(start_paused = true)]
async fn a_backlog_that_has_left_does_not_turn_the_order() {
    let layer = LimitLayer::with_policy(Fixed::new(1)).wait(8, 10 * SECOND);
    let order = Arc::new(Mutex::new(Vec::new()));
    let come = |name: &'static str| {
        let (layer, order) = (layer.clone(), order.clone());
        tokio::spawn(async move {
            if ask(layer, MILLI).await.0 == StatusCode::OK {
                order.lock().unwrap().push(name);
            }
        })
    };
    let holder = tokio::spawn(ask(layer.clone(), 13_100 * MILLI));
    sleep(MILLI).await;
    let a = come("a");
    sleep(3 * SECOND).await;
    let b = come("b");
    sleep(6 * SECOND).await;
    let c = come("c");
    sleep(SECOND / 2).await;
    a.abort();
    b.abort();
    // For two seconds nobody had waited for a quarter of the time that one may.
    sleep(2100 * MILLI).await;
    let d = come("d");
    for task in [c, d] {
        task.await.unwrap();
    }
    holder.await.unwrap();
    assert_eq!(order.lock().unwrap()[0], "c");
}

/// An inner service for which one would wait for ever.
#[derive(Clone)]
struct NeverReady;

impl Service<Ask> for NeverReady {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = std::future::Pending<Result<Response<Full<Bytes>>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Pending
    }

    fn call(&mut self, _: Ask) -> Self::Future {
        std::future::pending()
    }
}

#[tokio::test(start_paused = true)]
async fn one_who_leaves_before_the_upstream_was_called_says_nothing_about_it() {
    let told = Told::new(1.0);
    let layer = LimitLayer::with_policy(told.clone()).wait(8, 60 * SECOND);
    let upstream = service_fn(async |_: Ask| answer(MILLI).await);
    for patience in [None, Some(30 * SECOND)] {
        let holder = layer.layer(upstream).oneshot(Ask::default()).await.unwrap();
        let mut limited = layer.layer(NeverReady);
        {
            let mut waits = pin!(limited.call(Ask::default()));
            assert!(timeout(Duration::ZERO, waits.as_mut()).await.is_err());
            drop(holder);
            // The slot is granted, and in the second round also taken.
            if let Some(patience) = patience {
                assert!(timeout(patience, waits).await.is_err());
            }
            told.take();
        }
        let events = told.take();
        assert!(!events.iter().any(|event| matches!(event, Event::Left { .. })), "{patience:?}: {events:?}");
        assert_eq!(layer.handle().stats().in_flight, 0);
    }
}

/// Looks at the limit whenever something is logged.
struct Looks(OnceLock<Handle>, mpsc::Sender<u32>);

impl tracing::Subscriber for Looks {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        if let Some(handle) = self.0.get() {
            self.1.send(handle.stats().limit).unwrap();
        }
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn whoever_logs_may_look_at_the_limit() {
    let (tell, told) = mpsc::channel();
    // In a thread of its own: a deadlock would never end.
    std::thread::spawn(move || {
        let handle = LimitLayer::new().handle();
        let looks = Looks(OnceLock::from(handle.clone()), tell);
        tracing::subscriber::with_default(looks, || handle.set_limit(7));
    });
    assert_eq!(told.recv_timeout(10 * SECOND), Ok(7));
}
