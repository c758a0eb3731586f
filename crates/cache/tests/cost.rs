//! What the layer costs. In a file of its own: the counting allocator is the whole program's.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    convert::Infallible,
    future::{Ready, ready},
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use allocation_counter::measure;
use bytes::Bytes;
use dashpot_cache::{CacheLayer, Entry, MemoryStore, RequestBody, Store};
use dashpot_core::Tenant;
use dashpot_wire::dialect::Dialect;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use tower::{Layer, Service, service_fn};

fn inner<B>(_: Request<B>) -> Ready<Result<Response<Full<Bytes>>, Infallible>> {
    ready(Ok(Response::new(Full::from("an answer"))))
}

/// Allocations of one call and of its body.
fn count<S, B>(mut service: S, path: &'static str) -> u64
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible>,
    B: Body<Data = Bytes>,
{
    let mut cx = Context::from_waker(Waker::noop());
    let request = Request::post(path).body(Full::from("{}")).unwrap();
    measure(|| {
        let mut future = pin!(service.call(request));
        let Poll::Ready(Ok(answer)) = future.as_mut().poll(&mut cx) else { panic!("not ready") };
        let mut body = pin!(answer.into_body());
        while let Poll::Ready(Some(_)) = body.as_mut().poll_frame(&mut cx) {}
    })
    .count_total
}

#[test]
fn what_passes_by_costs_no_allocation() {
    let layer = CacheLayer::new(MemoryStore::new(1 << 20), |_| None);
    let service = || layer.layer(service_fn(inner::<RequestBody<Full<Bytes>>>));
    // Other paths, and those of no tenant.
    for path in ["/v1/models", "/v1/chat/completions"] {
        let bare = count(service_fn(inner::<Full<Bytes>>), path);
        assert_eq!(count(service(), path), bare, "{path}");
    }
}

/// More than is allowed, of answers that nobody asks for twice.
#[test]
fn a_flood_of_other_questions_stays_within_the_bound() {
    const BOUND: u64 = 4 << 20;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let now = tokio::time::Instant::now().into_std();
        let mut held = None;
        let memory = measure(|| {
            let store = MemoryStore::new(BOUND);
            for n in 0..50_000_u32 {
                let mut key = [0; 32];
                key[..4].copy_from_slice(&n.to_be_bytes());
                let entry = Entry {
                    key: key.into(),
                    partition: [0; 32].into(),
                    tenant: Tenant::new("acme").unwrap(),
                    text: Some(Arc::from("a question of a usual length, more or less")),
                    embedding: None,
                    dialect: Dialect::OpenAiChat,
                    answer: Bytes::from(vec![b'x'; 1000]),
                    events: false,
                    has_usage: true,
                    stored: now,
                    fresh_ms: 1_000_000,
                    stale_ms: 0,
                    tags: Vec::new(),
                };
                let put = pin!(store.put(Arc::new(entry), None));
                let Poll::Ready(Ok(true)) = put.poll(&mut Context::from_waker(Waker::noop())) else {
                    panic!("it is in memory")
                };
            }
            assert!(store.bytes() <= BOUND && store.len() > 1000);
            held = Some(store);
        });
        println!(
            "{} bytes for a bound of {BOUND}; at most {} on the way",
            memory.bytes_current, memory.bytes_max
        );
        assert!(memory.bytes_max < BOUND + BOUND / 10, "{}", memory.bytes_max);
        drop(held);
    });
}
