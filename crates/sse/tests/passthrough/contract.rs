//! What every layer must do right.

use std::time::Duration;

use bytes::Bytes;
use dashpot_sse::{
    Handle, Heartbeat, HeartbeatBody, HeartbeatFuture, HeartbeatLayer, Mode, ModeBody, ModeFuture,
    ModeHandle, ModeLayer, ModeService, PeekFirst, PeekFirstBody, PeekFirstFuture, PeekFirstLayer,
    ResponseBody, ResponseFuture, SsePassthrough, SsePassthroughLayer,
};
use dashpot_testkit::{body::Scripted, conformance::Conformance};
use dashpot_wire::dialect::Dialect;
use http::{Method, Request};
use http_body_util::Full;
use tower::{Layer, ServiceBuilder};

#[tokio::test(start_paused = true)]
async fn the_layer_passes_the_conformance_checks() {
    for layer in [SsePassthroughLayer::new(), SsePassthroughLayer::new().dialect(Dialect::OpenAiChat)] {
        let handle = layer.handle();
        Conformance::new(|inner| layer.layer(inner)).in_flight(move || handle.stats().active).check().await;
    }
}

#[tokio::test(start_paused = true)]
async fn so_do_heartbeats() {
    for every in [Duration::ZERO, Duration::from_millis(1), Duration::from_secs(3600)] {
        let layer = HeartbeatLayer::new(every);
        Conformance::new(|inner| layer.layer(inner)).check().await;
    }
}

#[tokio::test(start_paused = true)]
async fn so_do_heads_that_wait() {
    for bytes in [0, 1, 1000] {
        let layer = PeekFirstLayer::new(Duration::from_secs(1), bytes).dialect(Dialect::OpenAiChat);
        Conformance::new(|inner| layer.layer(inner)).check().await;
    }
}

/// Where answers pass, for all that the request was read, and where it was not even read.
#[tokio::test(start_paused = true)]
async fn so_do_modes() {
    for layer in
        [ModeLayer::new(1000).dialect(Dialect::OpenAiChat), ModeLayer::new(1000).upstream(Mode::Stream)]
    {
        let post = |mut request: Request<Full<Bytes>>| {
            if request.method() == Method::GET {
                *request.method_mut() = Method::POST;
            }
            request
        };
        Conformance::new(|inner| ServiceBuilder::new().map_request(post).layer(&layer).service(inner))
            .check()
            .await;
    }
}

#[test]
fn auto_traits_are_those_of_what_is_inside() {
    fn check<T: Send + Sync + Unpin>() {}
    check::<SsePassthroughLayer>();
    check::<SsePassthrough<()>>();
    check::<ResponseFuture<std::future::Ready<()>>>();
    check::<ResponseBody<Full<Bytes>>>();
    check::<ResponseBody<Scripted>>();
    check::<Handle>();
    check::<PeekFirstLayer>();
    check::<PeekFirst<()>>();
    check::<PeekFirstFuture<std::future::Ready<()>, Full<Bytes>>>();
    check::<PeekFirstBody<Full<Bytes>>>();
    check::<HeartbeatLayer>();
    check::<Heartbeat<()>>();
    check::<HeartbeatFuture<std::future::Ready<()>>>();
    check::<HeartbeatBody<Full<Bytes>>>();
    check::<ModeLayer>();
    check::<ModeHandle>();
    check::<ModeService<()>>();
    check::<ModeFuture<ModeService<dashpot_testkit::conformance::Inner>, Full<Bytes>, Scripted>>();
    check::<ModeBody<Scripted>>();
}
