//! What every layer must do right.

use std::{convert::Infallible, future::Ready};

use bytes::Bytes;
use dashpot_breaker::{
    Breaker, BreakerLayer, CallBreaker, Handle, KeyedHandle, Refuse, ResponseBody, ResponseFuture,
};
use dashpot_core::HttpClassify;
use dashpot_testkit::{body::Scripted, conformance::Conformance};
use http::{Request, Response};
use http_body_util::Full;
use tower::Layer;

#[tokio::test(start_paused = true)]
async fn the_layer_passes_the_conformance_checks() {
    // Some of them fail on purpose: it must not open meanwhile.
    let layer = BreakerLayer::new().consecutive_failures(u32::MAX);
    let keyed = layer.clone().keyed(4, |head| Some(head.method().as_str().into()));
    let operated = layer.clone();
    operated.handle().force_closed();
    for layer in [layer, keyed, operated] {
        Conformance::new(|inner| layer.layer(inner)).check().await;
    }
}

#[test]
fn auto_traits_are_those_of_what_is_inside() {
    fn check<T: Send + Sync + Unpin>() {}
    type Answer = Ready<Result<Response<Full<Bytes>>, Infallible>>;
    type Plain = tower::util::ServiceFn<fn(Request<()>) -> Answer>;
    check::<BreakerLayer>();
    check::<Breaker<()>>();
    check::<CallBreaker<()>>();
    check::<ResponseFuture<Plain, (), HttpClassify, Refuse, Answer>>();
    check::<ResponseBody<Full<Bytes>, HttpClassify, Full<Bytes>>>();
    check::<ResponseBody<Scripted, HttpClassify, Full<Bytes>>>();
    check::<Handle>();
    check::<KeyedHandle>();
}
