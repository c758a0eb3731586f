//! What every layer over HTTP must do right, as checks that its tests run.

mod checks;
mod inner;

use std::{fmt, panic::AssertUnwindSafe};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use tower_service::Service;

use self::checks::{Case, Kind};
pub use self::inner::{Inner, InnerError, InnerFuture};

/// Checks the layer that `wrap` puts around the testkit's inner service. Panics with the name of the check that fails.
///
/// - `readiness`: no call without readiness; not ready before the inner service is.
/// - `clone`: a clone works by itself, and ready clones that are never called hold nothing.
/// - `cancel`: what was begun is dropped at once, when the future goes before its first poll, while the inner service
///   is at work, when the head was there and the body is unread, or half read.
/// - `end`: by length, by `None` and by trailers, all of which arrive; an eager inner body makes an eager outer one, as
///   hyper does not poll on then; nothing is polled after its end.
/// - `error`: of the call and in mid-body, both arrive.
/// - `size hint`: an exact one stays exact; where there was none, none is claimed.
/// - `empty`: a HEAD or 204 is over at once and keeps its `content-length`.
///
/// Each runs with a plain body and with an event stream, within five seconds of tokio's time: pause it. With
/// [`in_flight`](Self::in_flight), what the layer counts must be back at zero as soon as each of them is over.
///
/// ```
/// use dashpot_testkit::conformance::Conformance;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let layer = tower::layer::util::Identity::new();
/// Conformance::new(|inner| tower::Layer::layer(&layer, inner)).check().await;
/// # });
/// ```
pub struct Conformance<W> {
    wrap: W,
    in_flight: Box<dyn Fn() -> u64>,
}

/// Checks the layer without an [`in_flight`](Conformance::in_flight) count.
///
/// # Panics
///
/// With the name of the check that fails.
pub async fn check<W, S, B>(wrap: W)
where
    W: FnMut(Inner) -> S,
    S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone,
    S::Error: fmt::Debug,
    B: Body<Data = Bytes>,
    B::Error: fmt::Debug,
{
    Conformance::new(wrap).check().await;
}

impl<W> Conformance<W> {
    /// Checks of the layer that `wrap` puts around an inner service; it is called once for each check.
    pub fn new(wrap: W) -> Self {
        Self { wrap, in_flight: Box::new(|| 0) }
    }

    /// How the layer counts what it holds for requests in flight: permits, guards, slots.
    #[must_use]
    pub fn in_flight(mut self, count: impl Fn() -> u64 + 'static) -> Self {
        self.in_flight = Box::new(count);
        self
    }

    /// Runs all checks.
    ///
    /// # Panics
    ///
    /// With the name of the check that fails.
    pub async fn check<S, B>(mut self)
    where
        W: FnMut(Inner) -> S,
        S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone,
        S::Error: fmt::Debug,
        B: Body<Data = Bytes>,
        B::Error: fmt::Debug,
    {
        for kind in [Kind::Plain, Kind::Events] {
            let mut case = Case { wrap: &mut self.wrap, in_flight: &*self.in_flight, kind };
            macro_rules! run {
                ($($name:literal: $check:ident),* $(,)?) => {$(
                    let run = AssertUnwindSafe(case.$check()).catch_unwind();
                    let wrong = match run.await {
                        Ok(Ok(())) => case.idle("after all was dropped").err(),
                        Ok(Err(wrong)) => Some(wrong),
                        Err(payload) => Some(format!("it panicked: {}", words(&*payload))),
                    };
                    assert!(wrong.is_none(), "conformance: {} ({kind:?}): {}", $name, wrong.unwrap_or_default());
                )*};
            }
            run!(
                "readiness": readiness,
                "readiness is the inner service's": readiness_is_forwarded,
                "clone": clones,
                "ready clones hold nothing": idle_clones,
                "cancel before the first poll": cancel_unpolled,
                "cancel while the inner service is at work": cancel_pending,
                "cancel with the body unread": cancel_unread,
                "cancel with the body half read": cancel_half_read,
                "end by length": end_by_length,
                "end by None": end_by_none,
                "end by trailers": end_by_trailers,
                "error of the call": error_of_the_call,
                "error in mid-body": error_in_mid_body,
                "size hint": size_hint,
                "empty": empty,
            );
        }
    }
}

impl<W> fmt::Debug for Conformance<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conformance").finish_non_exhaustive()
    }
}

/// What a panic said.
fn words(payload: &(dyn std::any::Any + Send)) -> &str {
    let owned = payload.downcast_ref::<String>().map(String::as_str);
    owned.or(payload.downcast_ref::<&str>().copied()).unwrap_or("no words")
}
