//! What every layer must do right, of each layer and of the stacks that are made of them.

use std::time::Duration;

use dashpot::{
    breaker::BreakerLayer,
    deadline::DeadlineLayer,
    limit::LimitLayer,
    sse::{
        HeartbeatLayer, ModeLayer, PeekFirstLayer, SsePassthroughLayer,
        resume::{Memory, MemoryStore, ResumeLayer, Store, StreamKey},
    },
    warm::{
        WarmLayer,
        starter::{Functions, StartError},
    },
    wire::dialect::Dialect,
};
use dashpot_testkit::conformance::Conformance;
use tower::{Layer, ServiceBuilder};

#[tokio::test]
async fn sse_alone() {
    let layer = SsePassthroughLayer::new();
    Conformance::new(|inner| layer.layer(inner)).check().await;
}

#[tokio::test]
async fn limit_alone() {
    let layer = LimitLayer::new();
    let handle = layer.handle();
    Conformance::new(|inner| layer.layer(inner))
        .in_flight(move || handle.stats().in_flight.into())
        .check()
        .await;
}

#[tokio::test]
async fn limit_around_sse() {
    let limit = LimitLayer::new().wait(8, Duration::from_secs(1));
    let handle = limit.handle();
    let stack = ServiceBuilder::new().layer(limit).layer(SsePassthroughLayer::new());
    Conformance::new(|inner| stack.service(inner))
        .in_flight(move || handle.stats().in_flight.into())
        .check()
        .await;
}

#[tokio::test]
async fn breaker_alone() {
    let layer = BreakerLayer::new();
    Conformance::new(|inner| layer.layer(inner)).check().await;
}

/// Per upstream, a warmer stands within a breaker and around a limit.
#[tokio::test(start_paused = true)]
async fn breaker_around_warm_around_limit_around_sse() {
    let warm = WarmLayer::new(Functions::new(|_| async { Ok::<_, StartError>(()) }));
    let handle = warm.handle();
    handle.warm();
    assert!(handle.subscribe().ready().await);
    let stack = ServiceBuilder::new()
        .layer(BreakerLayer::new())
        .layer(warm)
        .layer(LimitLayer::new())
        .layer(SsePassthroughLayer::new());
    Conformance::new(|inner| stack.service(inner))
        .in_flight(move || handle.stats().in_flight.into())
        .check()
        .await;
}

/// The order of the gateway.
#[tokio::test]
async fn heartbeats_around_resume_around_mode_around_deadline_around_limit_around_breaker_around_sse() {
    let limit = LimitLayer::new();
    let handle = limit.handle();
    // Full: a stream that can be resumed does not end with its client, which is what the checks are about.
    let stream_bytes = 1 << 10;
    let max_bytes = stream_bytes + Memory::PER_STREAM;
    let store = MemoryStore::try_new(Memory { stream_bytes, max_bytes, ..Memory::default() }).unwrap();
    let _all = store.record(StreamKey { stream: 0, owner: Box::default() }).unwrap();
    let stack = ServiceBuilder::new()
        .layer(HeartbeatLayer::new(Duration::from_secs(15)))
        .layer(ResumeLayer::new(store))
        .layer(ModeLayer::new(1000).dialect(Dialect::OpenAiChat))
        .layer(DeadlineLayer::new().total(Duration::from_secs(100)).gap(Duration::from_secs(50)))
        .layer(limit)
        .layer(BreakerLayer::new())
        .layer(PeekFirstLayer::new(Duration::from_secs(1), 1000).dialect(Dialect::OpenAiChat))
        .layer(SsePassthroughLayer::new());
    Conformance::new(|inner| stack.service(inner))
        .in_flight(move || handle.stats().in_flight.into())
        .check()
        .await;
}

/// Not the order to take, but one that must not break anything.
#[tokio::test]
async fn sse_around_limit() {
    let limit = LimitLayer::new();
    let handle = limit.handle();
    let stack = ServiceBuilder::new().layer(SsePassthroughLayer::new()).layer(limit);
    Conformance::new(|inner| stack.service(inner))
        .in_flight(move || handle.stats().in_flight.into())
        .check()
        .await;
}

/// One for all callers, and one for each upstream.
#[tokio::test]
async fn a_limit_around_a_limit() {
    let (outer, inner) = (LimitLayer::new(), LimitLayer::new());
    let handles = [outer.handle(), inner.handle()];
    let stack = ServiceBuilder::new().layer(outer).layer(inner);
    Conformance::new(|inner| stack.service(inner))
        .in_flight(move || handles.iter().map(|handle| u64::from(handle.stats().in_flight)).sum())
        .check()
        .await;
}
