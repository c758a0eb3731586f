//! Layers, services, futures and bodies are `Clone`, `Send`, `Sync` and `Unpin` where what is inside them is: axum,
//! hyper and tonic each need some of these.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    time::Duration,
};

use bytes::Bytes;
use dashpot::{
    breaker, deadline, embed, limit,
    sse::{
        self,
        resume::{Memory, MemoryStore, ResumeLayer},
    },
    warm,
};
use http::{Request, Response, Uri};
use http_body_util::Full;
use tower::{Layer, Service, ServiceBuilder};

type Body = Full<Bytes>;

#[derive(Clone, Debug)]
struct Plain;

impl Service<Request<Body>> for Plain {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        ready(Ok(Response::default()))
    }
}

fn shared<T: Clone + Send + Sync + Unpin + 'static>(_: &T) {}

fn moved<T: Send + Sync + Unpin + 'static>() {}

/// A layer, its service, and what that answers with.
fn check<L, S, B>(layer: &L)
where
    L: Layer<Plain, Service = S> + Clone + Send + Sync + Unpin + 'static,
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + Unpin
        + 'static,
    S::Future: Send + Sync + Unpin + 'static,
    B: http_body::Body + Send + Sync + Unpin + 'static,
{
    shared(&layer.layer(Plain));
}

#[test]
fn sse() {
    let layer = sse::SsePassthroughLayer::new();
    check(&layer);
    shared(&layer.handle());
    moved::<sse::SsePassthrough<Plain>>();
    let heartbeats = sse::HeartbeatLayer::new(Duration::from_secs(1));
    check(&heartbeats);
    shared(&heartbeats.handle());
    check(&sse::PeekFirstLayer::new(Duration::from_secs(1), 1));
    let modes = sse::ModeLayer::new(1);
    check(&modes);
    shared(&modes.handle());
    let store = MemoryStore::try_new(Memory::default()).unwrap();
    shared(&store);
    let resume = ResumeLayer::new(store);
    check(&resume);
    shared(&resume.handle());
}

#[test]
fn limit() {
    let layer = limit::LimitLayer::new();
    check(&layer);
    shared(&layer.handle());
    moved::<limit::Limit<Plain>>();
    check(&limit::LimitLayer::with_policy(limit::policy::Fixed::new(1)));
}

#[test]
fn breaker() {
    let layer = breaker::BreakerLayer::new();
    check(&layer);
    shared(&layer.handle());
    moved::<breaker::Breaker<Plain>>();
    check(&layer.fallback(Plain));
}

#[test]
fn warm() {
    let starter = warm::starter::Functions::new(|_| async { Ok::<_, warm::starter::StartError>(()) });
    let layer = warm::WarmLayer::new(starter);
    check(&layer);
    check(&layer.clone().retry_cold());
    shared(&layer.handle());
    shared(&layer.keyed_handle());
    shared(&layer.handle().subscribe());
    moved::<warm::Warm<Plain>>();
}

#[test]
fn deadline() {
    check(&deadline::DeadlineLayer::new());
    check(&deadline::PassOnLayer::new());
    moved::<deadline::DeadlineService<Plain>>();
}

#[test]
fn embed() {
    shared(&embed::OpenAiEmbedder::new(Plain, Uri::from_static("/v1/embeddings"), "small"));
    moved::<embed::OpenAiFuture<Ready<Result<Response<Body>, Infallible>>, Body>>();
    let shared: fn(&embed::Embedder) = shared;
    let _ = shared;
    moved::<embed::EmbedderFuture>();
    moved::<embed::MiniLm>();
}

#[test]
fn all() {
    check(
        &ServiceBuilder::new()
            .layer(deadline::DeadlineLayer::new())
            .layer(limit::LimitLayer::new())
            .layer(breaker::BreakerLayer::new())
            .layer(sse::SsePassthroughLayer::new())
            .into_inner(),
    );
}
