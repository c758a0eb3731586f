//! What every layer must do right.

use std::{convert::Infallible, future::Ready, time::Duration};

use bytes::Bytes;
use dashpot_body::ReleaseAt;
use dashpot_core::HttpClassify;
use dashpot_limit::{Handle, Limit, LimitLayer, ResponseBody, ResponseFuture, policy::Fixed};
use dashpot_testkit::{body::Scripted, conformance::Conformance};
use http::{Request, Response};
use http_body_util::Full;
use tower::Layer;

#[tokio::test(start_paused = true)]
async fn the_layer_passes_the_conformance_checks() {
    for release_at in [ReleaseAt::End, ReleaseAt::FirstByte, ReleaseAt::Head] {
        let layer =
            LimitLayer::with_policy(Fixed::new(8)).release_at(release_at).wait(8, Duration::from_secs(1));
        let handle = layer.handle();
        Conformance::new(|inner| layer.layer(inner))
            .in_flight(move || handle.stats().in_flight.into())
            .check()
            .await;
    }
}

#[test]
fn auto_traits_are_those_of_what_is_inside() {
    fn check<T: Send + Sync + Unpin>() {}
    type Answer = Ready<Result<Response<Full<Bytes>>, Infallible>>;
    type Plain = tower::util::ServiceFn<fn(Request<()>) -> Answer>;
    check::<LimitLayer>();
    check::<Limit<()>>();
    check::<ResponseFuture<Plain, (), HttpClassify>>();
    check::<ResponseBody<Full<Bytes>, HttpClassify>>();
    check::<ResponseBody<Scripted, HttpClassify>>();
    check::<Handle>();
}
