//! What every layer must do right.

use dashpot_cache::{CacheLayer, MemoryStore};
use dashpot_core::Tenant;
use dashpot_testkit::conformance::Conformance;
use dashpot_wire::dialect::Dialect;
use http::{Method, Request};
use http_body_util::BodyExt;
use tower::{Layer, ServiceBuilder};

#[tokio::test(start_paused = true)]
async fn what_passes_by_passes_as_it_is() {
    let layer = CacheLayer::new(MemoryStore::new(1 << 20), |_| Tenant::new("acme"));
    // The testkit's inner service takes the body that it sends.
    let plain = |request: Request<dashpot_cache::RequestBody<http_body_util::Full<bytes::Bytes>>>| {
        use futures_util::FutureExt;
        request.map(|body| body.collect().now_or_never().unwrap().unwrap().to_bytes().into())
    };
    Conformance::new(|inner| layer.layer(ServiceBuilder::new().map_request(plain).service(inner)))
        .check()
        .await;
    let chat = |mut request: Request<http_body_util::Full<bytes::Bytes>>| {
        if request.method() == Method::GET {
            *request.method_mut() = Method::POST;
        }
        request.extensions_mut().insert(Dialect::OpenAiChat);
        request
    };
    Conformance::new(|inner| {
        let inner = ServiceBuilder::new().map_request(plain).service(inner);
        ServiceBuilder::new().map_request(chat).layer(&layer).service(inner)
    })
    .check()
    .await;
}
