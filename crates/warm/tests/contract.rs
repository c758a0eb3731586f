//! What every layer must do right.

use std::{convert::Infallible, future::Ready, time::Duration};

use bytes::Bytes;
use dashpot_testkit::{body::Scripted, conformance::Conformance};
use dashpot_warm::{
    Handle, HttpIsCold, NoReplay, ResponseBody, ResponseFuture, Warm, WarmLayer,
    policy::Always,
    starter::{Functions, StartError},
};
use http::{Request, Response};
use http_body_util::Full;
use tower::Layer;

fn layer() -> WarmLayer {
    let starter = Functions::new(|_| async { Ok::<_, StartError>(()) });
    WarmLayer::new(starter).policy(Always).ramp(Duration::ZERO, 1, 1)
}

#[tokio::test(start_paused = true)]
async fn the_layer_passes_the_conformance_checks_while_it_is_warm() {
    let layer = layer();
    let handle = layer.handle();
    handle.warm();
    assert!(handle.subscribe().ready().await);
    Conformance::new(|inner| layer.layer(inner))
        .in_flight(move || handle.stats().in_flight.into())
        .check()
        .await;
}

#[test]
fn auto_traits_are_those_of_what_is_inside() {
    fn check<T: Send + Sync + Unpin>() {}
    type Answer = Ready<Result<Response<Full<Bytes>>, Infallible>>;
    type Plain = tower::util::ServiceFn<fn(Request<()>) -> Answer>;
    type Future = ResponseFuture<Plain, (), HttpIsCold, NoReplay>;
    check::<WarmLayer>();
    check::<Warm<()>>();
    check::<Future>();
    check::<ResponseBody<Full<Bytes>, Future>>();
    check::<ResponseBody<Scripted, Future>>();
    check::<Handle>();
}
