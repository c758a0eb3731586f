//! What an exchange allocates. In a file of its own: the counting allocator is the whole program's.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    convert::Infallible,
    future::{Ready, ready},
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use allocation_counter::measure;
use bytes::Bytes;
use dashpot_body::ReleaseAt;
use dashpot_limit::{CallLimitLayer, LimitLayer, policy::Fixed};
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
        mut self: std::pin::Pin<&mut Self>,
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

/// The allocations of a call until its answer is there, of that answer's body, and what the call's status was.
fn count<S, B>(mut service: S, headers: &HeaderMap) -> (u64, u64, StatusCode)
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>, Error = Infallible>,
    B: Body<Data = Bytes, Error = Infallible>,
{
    let mut request = Request::default();
    *request.headers_mut() = headers.clone();
    let mut cx = Context::from_waker(Waker::noop());
    let mut answered = None;
    let mut request = Some(request);
    let head = measure(|| {
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

fn headers() -> HeaderMap {
    let pairs = [("key", "model-a"), ("partition", "batch"), ("cost", "7")];
    pairs.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).into_iter().collect()
}

fn keyed(layer: LimitLayer) -> LimitLayer {
    layer.keyed(4, |head| head.header("key").map(Into::into))
}

fn partitions(layer: LimitLayer) -> LimitLayer {
    layer.partitions([("interactive", 0.5), ("batch", 0.25)], |head| head.header("partition"))
}

fn tokens(layer: LimitLayer) -> LimitLayer {
    layer.tokens(1000, |head| head.header("cost").and_then(|cost| cost.parse().ok()).unwrap_or(0))
}

#[test]
fn an_exchange_that_is_admitted_allocates_nothing_of_its_own() {
    let headers = headers();
    let (bare, 0, StatusCode::OK) = count(service_fn(answer), &headers) else { panic!("the service itself") };
    type Make = fn(LimitLayer) -> LimitLayer;
    let layers: [(&str, Make); 7] = [
        ("plain", |layer| layer),
        ("until the head", |layer| layer.release_at(ReleaseAt::Head)),
        ("that may wait", |layer| layer.wait(8, Duration::from_secs(1))),
        ("keyed", keyed),
        ("partitions", partitions),
        ("tokens", tokens),
        ("all", |layer| tokens(partitions(keyed(layer))).wait(8, Duration::from_secs(1))),
    ];
    for (name, make) in layers {
        let layer = make(LimitLayer::new());
        // What is made once: tracing's callsites, and the limit of a key.
        count(layer.layer(service_fn(answer)), &headers);
        for _ in 0..100 {
            assert_eq!(count(layer.layer(service_fn(answer)), &headers), (bare, 0, StatusCode::OK), "{name}");
        }
        assert_eq!(layer.handle().stats().in_flight, 0);
    }
}

#[test]
fn a_client_that_leaves_allocates_nothing() {
    let layer = LimitLayer::new();
    let mut service = layer.layer(service_fn(|_: Request<Empty<Bytes>>| {
        std::future::pending::<Result<Response<Frames>, Infallible>>()
    }));
    let leave = |service: &mut dyn FnMut()| measure(service).count_total;
    let mut call = || {
        let mut future = pin!(service.call(Request::default()));
        assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    };
    leave(&mut call);
    assert_eq!(leave(&mut call), 0);
    assert_eq!(layer.handle().stats().admitted, 2);
}

#[test]
fn a_call_that_is_not_http_allocates_nothing_even_if_it_is_refused() {
    let layer = CallLimitLayer::with_policy(Fixed::new(1));
    let mut service = layer.layer(service_fn(|()| ready(Ok::<_, Infallible>(()))));
    let mut cx = Context::from_waker(Waker::noop());
    let mut call = |is_admitted| {
        let mut future = pin!(service.call(()));
        let Poll::Ready(answer) = future.as_mut().poll(&mut cx) else { panic!("not ready") };
        assert_eq!(answer.is_ok(), is_admitted);
    };
    call(true);
    assert_eq!(measure(|| call(true)).count_total, 0);
    let never = layer.layer(service_fn(|()| std::future::pending::<Result<(), Infallible>>())).call(());
    call(false);
    assert_eq!(measure(|| call(false)).count_total, 0);
    drop(never);
}

#[test]
fn a_refusal_allocates_its_words_and_headers_and_nothing_else() {
    let plain = LimitLayer::with_policy(Fixed::new(1));
    let holder = plain.layer(service_fn(answer)).call(Request::default());
    let mute = plain.clone().refusal(|_, _| Response::new(Bytes::new()));
    let refusal = |layer: &LimitLayer, headers: &HeaderMap| {
        count(layer.layer(service_fn(answer)), headers);
        count(layer.layer(service_fn(answer)), headers)
    };
    let none = HeaderMap::new();
    assert_eq!(refusal(&mute, &none), (0, 0, StatusCode::OK));
    assert_eq!(plain.handle().stats().refused, 2, "that was one");

    // The document, the map of headers, two that hold numbers, and the extension; some of them grow in steps.
    let (problem, body, status) = refusal(&plain, &none);
    println!("{problem} allocations in a refusal");
    assert_eq!((body, status), (0, StatusCode::SERVICE_UNAVAILABLE));
    assert!(problem <= 13, "{problem}");
    let grpc = HeaderMap::from_iter([("content-type".parse().unwrap(), "application/grpc".parse().unwrap())]);
    let (grpc, body, status) = refusal(&plain, &grpc);
    println!("{grpc} allocations in a refusal of gRPC");
    assert_eq!((body, status), (0, StatusCode::OK));
    assert!(grpc <= 17, "{grpc}");
    drop(holder);
}

#[tokio::test(start_paused = true)]
async fn a_wait_allocates_its_box_and_a_channel() {
    let layer = LimitLayer::with_policy(Fixed::new(1)).wait(8, Duration::from_secs(1));
    let mut cx = Context::from_waker(Waker::noop());
    let mut wait = || {
        let mut holder = Some(layer.layer(service_fn(answer)).call(Request::default()));
        let mut service = layer.layer(service_fn(answer));
        let mut request = Some(Request::default());
        measure(|| {
            let mut future = pin!(service.call(request.take().unwrap()));
            assert!(future.as_mut().poll(&mut cx).is_pending());
            holder.take();
            let Poll::Ready(Ok(_)) = future.as_mut().poll(&mut cx) else { panic!("it is its turn") };
        })
        .count_total
    };
    // The queue's own place stays once it is made, and more of it come for eleven at once.
    assert_eq!((wait(), wait()), (3, 2));
}
