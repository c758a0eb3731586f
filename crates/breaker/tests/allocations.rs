//! What an exchange allocates. In a file of its own: the counting allocator is the whole program's.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    convert::Infallible,
    future::{Ready, ready},
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
    time::Duration,
};

use allocation_counter::measure;
use bytes::Bytes;
use dashpot_breaker::{BreakerLayer, BreakerState, Call, CallBreakerLayer, Observer, Slow};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::Empty;
use tower::{Layer, Service, service_fn};

/// Ready frames that cost nothing to make.
struct Frames(u32);

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.checked_sub(1).map(|left| {
            self.0 = left;
            Ok(Frame::data(Bytes::from_static(b"data: x\n\n")))
        }))
    }
}

fn answer(_: Request<Empty<Bytes>>) -> Ready<Result<Response<Frames>, Infallible>> {
    ready(Ok(Response::new(Frames(100))))
}

fn failure(_: Request<Empty<Bytes>>) -> Ready<Result<Response<Frames>, Infallible>> {
    let mut response = Response::new(Frames(1));
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    ready(Ok(response))
}

/// The allocations of a call until its answer is there, of that answer's body, and what the call's status was.
fn count<S, B>(mut service: S) -> (u64, u64, StatusCode)
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>, Error = Infallible>,
    B: Body<Data = Bytes, Error = Infallible>,
{
    let mut headers = HeaderMap::new();
    headers.insert("key", "model-a".parse().unwrap());
    let mut request = Request::default();
    *request.headers_mut() = headers;
    let mut cx = Context::from_waker(Waker::noop());
    let (mut answered, mut request) = (None, Some(request));
    let head = measure(|| {
        assert!(service.poll_ready(&mut cx).is_ready());
        let mut future = pin!(service.call(request.take().unwrap()));
        let Poll::Ready(Ok(answer)) = future.as_mut().poll(&mut cx) else { panic!("not ready") };
        answered = Some(answer);
    });
    let (parts, body) = answered.unwrap().into_parts();
    let mut body = Some(body);
    let body = measure(|| {
        let mut body = pin!(body.take().unwrap());
        while let Poll::Ready(Some(_)) = body.as_mut().poll_frame(&mut cx) {}
    });
    (head.count_total, body.count_total, parts.status)
}

struct Deaf;

impl Observer for Deaf {
    fn on_call(&self, _: Call) {}
}

#[test]
fn an_exchange_that_is_admitted_allocates_nothing_of_its_own() {
    let (bare, 0, StatusCode::OK) = count(service_fn(answer)) else { panic!("the service itself") };
    let keyed = |layer: BreakerLayer| layer.keyed(4, |head| head.header("key").map(Into::into));
    let slow = |layer: BreakerLayer| layer.slow_ratio(Slow::TimesBaseline(1e9), 1.0);
    let layers = [
        ("plain", BreakerLayer::new()),
        ("keyed", keyed(BreakerLayer::new())),
        ("slow", slow(BreakerLayer::new())),
        ("observed", BreakerLayer::new().observer(Deaf)),
        ("all", slow(keyed(BreakerLayer::new().observer(Deaf)))),
    ];
    for (name, layer) in layers {
        // What is made once: tracing's callsites, and the breaker of a key.
        count(layer.layer(service_fn(answer)));
        for _ in 0..100 {
            assert_eq!(count(layer.layer(service_fn(answer))), (bare, 0, StatusCode::OK), "{name}");
        }
    }
}

#[test]
fn however_many_calls_its_window_holds_it_takes_no_more_room() {
    let layer = BreakerLayer::new().failure_ratio(0.9, 20, Duration::from_secs(24 * 60 * 60));
    let (good, bad) = (layer.layer(service_fn(answer)), layer.layer(service_fn(failure)));
    for _ in 0..20_000 {
        assert_eq!(count(good.clone()).0, 0);
        assert_eq!(count(bad.clone()).0, 0);
    }
    let stats = layer.handle().stats();
    assert_eq!((stats.state, stats.calls, stats.failed), (BreakerState::Closed, 40_000, 20_000));
}

#[test]
fn a_client_that_leaves_allocates_nothing() {
    let layer = BreakerLayer::new();
    let mut service = layer.layer(service_fn(|_: Request<Empty<Bytes>>| {
        std::future::pending::<Result<Response<Frames>, Infallible>>()
    }));
    let mut cx = Context::from_waker(Waker::noop());
    let mut call = || {
        assert!(service.poll_ready(&mut cx).is_ready());
        let mut future = pin!(service.call(Request::default()));
        assert!(future.as_mut().poll(&mut cx).is_pending());
    };
    call();
    assert_eq!(measure(call).count_total, 0);
}

#[test]
fn a_call_that_is_not_http_allocates_nothing_even_if_it_is_refused() {
    let layer = CallBreakerLayer::new(&BreakerLayer::new());
    let mut service = layer.layer(service_fn(|()| ready(Ok::<_, Infallible>(()))));
    let mut cx = Context::from_waker(Waker::noop());
    let mut call = |is_admitted| {
        let mut future = pin!(service.call(()));
        let Poll::Ready(answer) = future.as_mut().poll(&mut cx) else { panic!("not ready") };
        assert_eq!(answer.is_ok(), is_admitted);
    };
    call(true);
    assert_eq!(measure(|| call(true)).count_total, 0);
    layer.handle().force_open();
    call(false);
    assert_eq!(measure(|| call(false)).count_total, 0);
}

#[test]
fn a_refusal_allocates_its_words_and_headers_and_nothing_else() {
    let plain = BreakerLayer::new();
    let mute = plain.clone().refusal(|_, _| Response::new(Bytes::new()));
    plain.handle().force_open();
    count(mute.layer(service_fn(answer)));
    assert_eq!(count(mute.layer(service_fn(answer))), (0, 0, StatusCode::OK));
    let (problem, body, status) = count(plain.layer(service_fn(answer)));
    println!("{problem} allocations in a refusal");
    assert_eq!((body, status), (0, StatusCode::SERVICE_UNAVAILABLE));
    assert!(problem <= 13, "{problem}");
}
