//! What it takes to answer from the cache, beside a cache for any Tower service and the store alone; and to find what a
//! similar question was among many.
//!
//! `cargo bench --bench cache --features peers` also says whether time tells one tenant what another has asked, and runs all rows; without `peers` only our own.

#[cfg(feature = "peers")]
#[path = "cache/stores.rs"]
mod stores;
#[path = "cache/tenants.rs"]
mod tenants;

use std::{
    convert::Infallible,
    future::{Ready, ready},
    hint::black_box,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;
use criterion::{BenchmarkGroup, Criterion, measurement::WallTime};
use dashpot::{
    cache::{CacheLayer, Entry, FlatIndex, Index, Key, MemoryStore},
    core::{Embedding, Tenant},
    wire::dialect::Dialect,
};
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Full};
use tokio::runtime::Runtime;
use tower::{Layer, Service, ServiceExt};

const QUESTION: &str = "Why does variability hurt more than delay?";

/// A request of about 1 KiB.
fn request(stream: bool) -> Request<Full<Bytes>> {
    let system = "You are a helpful assistant of a company that makes dampers. ".repeat(14);
    let body = format!(
        r#"{{"model":"gpt-4o","stream":{stream},"temperature":0.2,"messages":[{{"role":"system","content":"{system}"}},{{"role":"user","content":"{QUESTION}"}}]}}"#
    );
    let mut request =
        Request::post("/v1/chat/completions").body(Full::from(body)).expect("it is well-formed");
    request.headers_mut().insert("x-tenant", HeaderValue::from_static("acme"));
    request
}

/// About 500 tokens.
fn answer() -> Bytes {
    let words = "a dashpot takes the shock out of a motion ".repeat(50);
    format!(
        r#"{{"id":"c","object":"chat.completion","created":1,"model":"gpt-4o","choices":[{{"index":0,"message":{{"role":"assistant","content":"{words}"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":200,"completion_tokens":500,"total_tokens":700}}}}"#
    )
    .into()
}

#[derive(Clone)]
struct Upstream(Bytes);

impl<B> Service<Request<B>> for Upstream {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Full<Bytes>>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        let mut answer = Response::new(Full::from(self.0.clone()));
        answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        ready(Ok(answer))
    }
}

fn tenant(head: &http::request::Parts) -> Option<Tenant> {
    Tenant::new(head.headers.get("x-tenant")?.to_str().ok()?)
}

async fn ask<S, B>(service: &mut S, request: Request<Full<Bytes>>) -> usize
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>>,
    S::Error: std::fmt::Debug,
    B: http_body::Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    let answer = service.ready().await.expect("it is ready").call(request).await.expect("it answers");
    answer.into_body().collect().await.expect("it is whole").to_bytes().len()
}

fn row<S, B>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    runtime: &Runtime,
    name: &str,
    mut service: S,
    stream: bool,
) where
    S: Service<Request<Full<Bytes>>, Response = Response<B>>,
    S::Error: std::fmt::Debug,
    B: http_body::Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    // The first fills the cache, beside its answer.
    runtime.block_on(async {
        ask(&mut service, request(false)).await;
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    });
    let asking = request(stream);
    group.bench_function(name, |bencher| {
        bencher.iter(|| runtime.block_on(ask(&mut service, asking.clone())));
    });
}

fn hits(criterion: &mut Criterion, runtime: &Runtime) {
    let mut group = criterion.benchmark_group("hit");
    let upstream = Upstream(answer());
    row(&mut group, runtime, "no cache", upstream.clone(), false);
    let cache = || CacheLayer::new(MemoryStore::new(1 << 28), tenant).layer(upstream.clone());
    row(&mut group, runtime, "Cache, whole", cache(), false);
    row(&mut group, runtime, "Cache, as a stream", cache(), true);
    #[cfg(feature = "peers")]
    row(
        &mut group,
        runtime,
        "tower-resilience-cache, keyed by the body",
        peers::resilience(upstream.clone()),
        false,
    );
    #[cfg(feature = "peers")]
    row(&mut group, runtime, "tower-http-cache, keyed by the URI", peers::http(upstream), false);
    #[cfg(feature = "peers")]
    peers::moka(&mut group);
    group.finish();
}

/// A miss to a cache that nobody else asks: what it adds until the answer is read.
fn misses(criterion: &mut Criterion, runtime: &Runtime) {
    let mut group = criterion.benchmark_group("miss");
    let layer = CacheLayer::new(MemoryStore::new(1 << 20), tenant);
    let mut service = layer.layer(Upstream(answer()));
    let mut asking = request(false);
    asking.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    group.bench_function("Cache, with the answer kept beside it", |bencher| {
        bencher.iter(|| runtime.block_on(ask(&mut service, asking.clone())));
    });
    group.finish();
}

/// So many directions that are near to some others, as questions are.
fn directions(count: usize) -> Vec<Embedding> {
    let mut state = 1_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    let centres: Vec<Vec<f32>> =
        (0..count.div_ceil(100)).map(|_| (0..384).map(|_| random()).collect()).collect();
    let around = |n: usize| centres[n % centres.len()].clone();
    (0..count)
        .map(|n| {
            let direction: Vec<f32> = around(n).iter().map(|x| x + 0.3 * random()).collect();
            Embedding::new(&direction).expect("it points somewhere")
        })
        .collect()
}

fn lookups(criterion: &mut Criterion, runtime: &Runtime) {
    let mut group = criterion.benchmark_group("index");
    for count in [1000, 100_000] {
        let (index, all) = (FlatIndex::new(count), directions(count));
        runtime.block_on(async {
            for (n, embedding) in all.iter().enumerate() {
                index.insert(&entry(n, embedding)).await.expect("it is in memory");
            }
        });
        let mut turn = 0;
        group.bench_function(format!("FlatIndex, {count} entries"), |bencher| {
            bencher.iter(|| {
                turn = (turn + 1) % all.len();
                let partition = Key::from([0; 32]);
                runtime.block_on(index.search(partition, black_box(all[turn].vector()), 4))
            });
        });
    }
    group.finish();
}

fn entry(n: usize, embedding: &Embedding) -> Entry {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&n.to_be_bytes());
    Entry {
        key: key.into(),
        partition: [0; 32].into(),
        tenant: Tenant::new("acme").expect("it is short"),
        text: Some(Arc::from("text")),
        embedding: Some(embedding.clone()),
        dialect: Dialect::OpenAiChat,
        answer: Bytes::new(),
        events: false,
        has_usage: true,
        stored: now(),
        fresh_ms: 1000,
        stale_ms: 0,
        tags: Vec::new(),
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(feature = "peers")]
mod peers {
    use moka::sync::Cache;
    use tower_http_cache::prelude::{InMemoryBackend, KeyExtractor};
    use tower_resilience_cache::CacheLayer;

    use super::*;

    /// Keyed by the bytes of the body, which is as much as it can know before it reads them.
    pub(crate) fn resilience(
        upstream: Upstream,
    ) -> impl Service<Request<Full<Bytes>>, Response = Response<Full<Bytes>>, Error: std::fmt::Debug> {
        let key = |request: &Request<Full<Bytes>>| {
            use futures_util::FutureExt;
            request.body().clone().collect().now_or_never().and_then(Result::ok).map(|body| body.to_bytes())
        };
        CacheLayer::builder()
            .max_size(1000)
            .key_extractor(key)
            .build()
            .expect("it is well-formed")
            .layer(upstream)
    }

    /// Keyed by the URI, as it lets a key be made of nothing else but the method: the body is not looked at.
    pub(crate) fn http(
        upstream: Upstream,
    ) -> impl Service<
        Request<Full<Bytes>>,
        Response = Response<impl http_body::Body<Data = Bytes, Error: std::fmt::Debug>>,
        Error: std::fmt::Debug,
    > {
        tower_http_cache::layer::CacheLayer::builder(InMemoryBackend::new(1000))
            .method_predicate(|_| true)
            .key_extractor(KeyExtractor::custom(|_, uri| Some(uri.path().to_owned())))
            .header_allowlist(["content-type"])
            .build()
            .layer(upstream)
    }

    /// The store alone: what a key that is known costs to look up.
    pub(crate) fn moka(group: &mut BenchmarkGroup<'_, WallTime>) {
        let cache = Cache::new(1000);
        cache.insert([7_u8; 32], Arc::new(answer()));
        group.bench_function("moka alone", |bencher| bencher.iter(|| cache.get(black_box(&[7; 32]))));
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime without I/O needs nothing");
    let mut criterion = Criterion::default().configure_from_args();
    hits(&mut criterion, &runtime);
    misses(&mut criterion, &runtime);
    lookups(&mut criterion, &runtime);
    // Not when it is only to be seen that all of it runs.
    if std::env::args().any(|argument| argument == "--bench") {
        tenants::report(&runtime);
        #[cfg(feature = "peers")]
        stores::report();
    }
    criterion.final_summary();
}
