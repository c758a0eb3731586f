//! An upstream that answers as each test says, and somebody who listens.
#![allow(dead_code, reason = "each test uses a part")]

use std::{
    future::ready,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bytes::Bytes;
use dashpot_breaker::{BreakerLayer, Call, Handle, Observer, Reason, RefusalBody, ResponseBody, Transition};
use dashpot_core::HttpClassify;
use dashpot_testkit::body::{BodyError, Scripted};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use tower::{Layer, ServiceExt, service_fn};

pub(crate) type Answer = Response<ResponseBody<Scripted, HttpClassify, RefusalBody<BodyError>>>;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// A layer whose waits can be told apart by the second, and which asks for more than one success.
pub(crate) fn layer() -> BreakerLayer {
    BreakerLayer::new().wait(SECOND, 60 * SECOND).probes(4, 3)
}

pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The answer to a request, which the upstream would give like this.
pub(crate) async fn ask(layer: &BreakerLayer, make: impl Fn() -> Response<Scripted> + Clone) -> Answer {
    let service = service_fn(move |_: Request<Empty<Bytes>>| ready(Ok::<_, BodyError>(make())));
    layer.layer(service).oneshot(Request::default()).await.unwrap()
}

/// The status of a request, read to its end, which the upstream would answer with `code`.
pub(crate) async fn status(layer: &BreakerLayer, code: u16) -> u16 {
    let answer = ask(layer, move || {
        let mut response = Response::new(Scripted::new().data("x"));
        *response.status_mut() = StatusCode::from_u16(code).unwrap();
        response
    });
    let answer = answer.await;
    let status = answer.status();
    answer.into_body().collect().await.unwrap();
    status.as_u16()
}

pub(crate) async fn statuses(layer: &BreakerLayer, code: u16, times: u32) {
    for _ in 0..times {
        assert_eq!(status(layer, code).await, code);
    }
}

/// A stream that has begun, and then does as the script says.
pub(crate) async fn stream(layer: &BreakerLayer, body: impl Fn() -> Scripted + Clone) -> Answer {
    let mut answer = ask(layer, move || Response::new(body())).await;
    assert_eq!(answer.status(), 200);
    answer.body_mut().frame().await.unwrap().unwrap();
    answer
}

/// A call to an upstream that does not answer; `None` if it was refused.
pub(crate) async fn hang(layer: &BreakerLayer) -> Option<Answer> {
    let service = service_fn(|_: Request<Empty<Bytes>>| {
        std::future::pending::<Result<Response<Scripted>, BodyError>>()
    });
    layer.layer(service).oneshot(Request::default()).await.ok()
}

/// Until probes are sent.
pub(crate) async fn wait_out(handle: &Handle) {
    tokio::time::sleep(handle.stats().open_for.unwrap()).await;
}

/// A layer that sends probes from now on, and waits for them for long.
pub(crate) fn probing(layer: BreakerLayer) -> (BreakerLayer, Handle) {
    let layer = layer.wait(60 * SECOND, 60 * SECOND);
    let handle = layer.handle();
    handle.trip("a test", now());
    (layer, handle)
}

/// Remembers what it was told.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) calls: Mutex<Vec<Call>>,
    pub(crate) transitions: Mutex<Vec<Transition>>,
    pub(crate) thresholds: Mutex<Vec<Reason>>,
}

impl Seen {
    pub(crate) fn count(&self, call: Call) -> usize {
        self.calls.lock().unwrap().iter().filter(|&&seen| seen == call).count()
    }
}

impl Observer for Seen {
    fn on_transition(&self, transition: &Transition) {
        self.transitions.lock().unwrap().push(*transition);
    }

    fn on_threshold(&self, reason: Reason) {
        self.thresholds.lock().unwrap().push(reason);
    }

    fn on_call(&self, call: Call) {
        self.calls.lock().unwrap().push(call);
    }
}

/// A layer that is listened to.
pub(crate) fn seen(layer: BreakerLayer) -> (BreakerLayer, Arc<Seen>) {
    let seen = Arc::<Seen>::default();
    (layer.observer(seen.clone()), seen)
}
