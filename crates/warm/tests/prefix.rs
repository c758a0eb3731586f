//! Pings that keep a provider's prompt caches alive.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::{
    borrow::Cow,
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use common::{Model, SECOND, request};
use dashpot_testkit::conformance::Conformance;
use dashpot_warm::{
    WarmLayer, WarmState,
    policy::Fixed,
    prefix::{PrefixHandle, PrefixLayer, PrefixPing},
    starter::Ask,
};
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

/// A provider that is pinged, and when.
#[derive(Clone, Default)]
struct Provider {
    pings: Arc<Mutex<Vec<(u64, String)>>>,
    status: Arc<AtomicU16>,
}

impl Provider {
    fn layer(&self, per_day: usize) -> PrefixLayer {
        let start = tokio::time::Instant::now();
        let this = self.clone();
        let client = service_fn(move |request: Request<Full<Bytes>>| {
            let after = tokio::time::Instant::now().saturating_duration_since(start);
            this.pings.lock().unwrap().push((after.as_secs(), request.uri().path().to_owned()));
            let status = this.status.load(SeqCst).max(200);
            async move {
                Ok::<_, Infallible>(
                    Response::builder().status(status).body(Full::<Bytes>::default()).unwrap(),
                )
            }
        });
        let ping = Ask::new(|prompt| {
            Request::post(format!("http://api/{prompt}")).body(Full::from(r#"{"max_tokens":1}"#)).unwrap()
        });
        let key = |head: &dashpot_warm::Head<'_>| head.uri().path().strip_prefix("/chat/").map(str::to_owned);
        PrefixLayer::new(
            PrefixPing::anthropic(),
            per_day,
            move |head| key(head).map(Cow::<str>::Owned),
            client,
            ping,
        )
    }

    fn pings(&self) -> Vec<(u64, String)> {
        std::mem::take(&mut *self.pings.lock().unwrap())
    }

    fn times(&self) -> Vec<u64> {
        self.pings().into_iter().map(|(second, _)| second).collect()
    }
}

async fn ask(layer: &PrefixLayer, prompt: &str, status: u16) {
    let mut service = layer.layer(service_fn(move |_: Request<Full<Bytes>>| async move {
        Ok::<_, Infallible>(Response::builder().status(status).body(Full::<Bytes>::default()).unwrap())
    }));
    service.ready().await.unwrap().call(request(&format!("/chat/{prompt}"))).await.unwrap();
}

fn counts(handle: &PrefixHandle) -> [u64; 4] {
    let stats = handle.stats();
    [stats.pings, stats.failed, stats.unpaid, stats.kept]
}

#[tokio::test(start_paused = true)]
async fn a_prefix_is_pinged_while_it_pays_and_no_longer() {
    let provider = Provider::default();
    let layer = provider.layer(1000);
    ask(&layer, "a", 200).await;
    tokio::time::sleep(86_400 * SECOND).await;
    let expected: Vec<_> = (1..=10).map(|n| (270 * n, "/a".to_owned())).collect();
    assert_eq!(provider.pings(), expected);
    assert_eq!(counts(&layer.handle()), [10, 0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_to_a_cache_that_was_kept_is_counted_and_pings_begin_anew() {
    let provider = Provider::default();
    let layer = provider.layer(1000);
    ask(&layer, "a", 200).await;
    tokio::time::sleep(600 * SECOND).await;
    ask(&layer, "a", 200).await;
    tokio::time::sleep(300 * SECOND).await;
    assert_eq!(provider.times(), [270, 540, 870]);
    assert_eq!(counts(&layer.handle()), [3, 0, 0, 1]);
}

#[tokio::test(start_paused = true)]
async fn what_names_no_prefix_or_failed_is_not_pinged() {
    let provider = Provider::default();
    let layer = provider.layer(1000);
    ask(&layer, "a", 529).await;
    ask(&layer, &"x".repeat(300), 200).await;
    tokio::time::sleep(600 * SECOND).await;
    assert_eq!((provider.times(), layer.handle().stats().prefixes), (vec![], 0));
}

#[tokio::test(start_paused = true)]
async fn a_ping_that_is_not_answered_well_is_the_last_until_somebody_comes() {
    let provider = Provider::default();
    provider.status.store(429, SeqCst);
    let layer = provider.layer(1000);
    ask(&layer, "a", 200).await;
    tokio::time::sleep(3600 * SECOND).await;
    assert_eq!((provider.times(), counts(&layer.handle())), (vec![270], [1, 1, 0, 0]));
    provider.status.store(200, SeqCst);
    ask(&layer, "a", 200).await;
    tokio::time::sleep(300 * SECOND).await;
    assert_eq!(provider.times(), [3870]);
}

#[tokio::test(start_paused = true)]
async fn a_day_sees_no_more_pings_than_its_budget() {
    let provider = Provider::default();
    let layer = provider.layer(12);
    for day in 0..3 {
        for prompt in 0..100 {
            ask(&layer, &prompt.to_string(), 200).await;
        }
        assert_eq!(layer.handle().stats().prefixes, PrefixLayer::CAPACITY);
        tokio::time::sleep(PrefixLayer::DAY).await;
        assert_eq!(provider.times().len(), 12, "on day {day}");
    }
    assert!(layer.handle().stats().unpaid > 0);
}

#[tokio::test(start_paused = true)]
async fn it_ends_with_its_layer_services_and_handles() {
    let provider = Provider::default();
    let layer = provider.layer(1000);
    ask(&layer, "a", 200).await;
    let handle = layer.handle();
    drop(layer);
    tokio::time::sleep(300 * SECOND).await;
    assert_eq!(provider.times(), [270], "a handle keeps it");
    drop(handle);
    tokio::time::sleep(600 * SECOND).await;
    assert_eq!(provider.times(), [0; 0]);
}

#[tokio::test(start_paused = true)]
async fn the_layer_passes_the_conformance_checks() {
    let layer = Provider::default().layer(1000);
    Conformance::new(|inner| layer.layer(inner)).check().await;
}

#[tokio::test(start_paused = true)]
async fn pings_keep_no_upstream_warm() {
    let (provider, model) = (Provider::default(), Model::new());
    let prefixes = provider.layer(1000);
    let warm = WarmLayer::new(model.starter(SECOND)).policy(Fixed::new(Duration::from_secs(400)));
    let handle = warm.handle();
    let service = ServiceBuilder::new().layer(&prefixes).layer(warm).service(model.service());
    service.oneshot(request("/chat/a")).await.unwrap();
    tokio::time::sleep(500 * SECOND).await;
    assert_eq!(provider.times(), [270]);
    assert_eq!((handle.state(), handle.stats().held + handle.stats().passed), (WarmState::Cold, 1));
}
