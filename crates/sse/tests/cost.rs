//! What a stream costs. In a file of its own: the counting allocator is the whole program's.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    convert::Infallible,
    future::{Ready, ready},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use allocation_counter::measure;
use bytes::Bytes;
use dashpot_core::BodyReport;
use dashpot_sse::{
    HeartbeatBody, HeartbeatLayer, ModeLayer, PeekFirstBody, PeekFirstFuture, PeekFirstLayer, ResponseBody,
    SsePassthroughLayer,
};
use http::{Request, Response, header};
use http_body::{Body, Frame};
use http_body_util::Full;
use tower::{Layer, Service, service_fn, util::MapRequest};

/// Ready frames that cost nothing to make.
struct Frames(u32);

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        const EVENT: &[u8] = b"data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\
            \"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"},\"finish_reason\":null}]}\n\n";
        Poll::Ready(self.0.checked_sub(1).map(|left| {
            self.0 = left;
            Ok(Frame::data(Bytes::from_static(EVENT)))
        }))
    }
}

fn events(_: Request<()>) -> Ready<Result<Response<Frames>, Infallible>> {
    let mut answer = Response::new(Frames(1000));
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/event-stream"));
    ready(Ok(answer))
}

fn whole(_: Request<()>) -> Ready<Result<Response<Frames>, Infallible>> {
    ready(Ok(Response::new(Frames(1000))))
}

/// Allocations of one call, and of its body.
fn count<S, B>(mut service: S) -> (u64, u64)
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible>,
    B: Body<Data = Bytes> + Unpin,
{
    let mut cx = Context::from_waker(Waker::noop());
    let mut body = None;
    let call = measure(|| {
        let request = Request::post("/v1/chat/completions").body(()).unwrap();
        let mut future = std::pin::pin!(service.call(request));
        let Poll::Ready(Ok(answer)) = future.as_mut().poll(&mut cx) else { panic!("not ready") };
        body = Some(answer.into_body());
    });
    let mut body = body.unwrap();
    let frames = measure(|| while let Poll::Ready(Some(_)) = Pin::new(&mut body).poll_frame(&mut cx) {});
    (call.count_total, frames.count_total)
}

#[test]
fn nothing_is_allocated_per_frame_and_little_per_stream() {
    let layer = SsePassthroughLayer::new();
    // What is made once, such as tracing's callsites.
    count(layer.layer(service_fn(events)));

    let (bare, _) = count(service_fn(events));
    let (call, frames) = count(layer.layer(service_fn(events)));
    println!("{} allocations more per stream, {frames} in 1000 frames", call - bare);
    assert_eq!(frames, 0);
    assert_eq!(call - bare, 4, "the report, its place in the extensions, the headers that are added");

    let (bare, _) = count(service_fn(whole));
    assert_eq!(count(layer.layer(service_fn(whole))), (bare, 0), "what is not a stream costs no allocation");
}

#[test]
fn the_state_of_a_stream_is_at_most_512_bytes() {
    let inline = size_of::<ResponseBody<Frames, Arc<()>>>() - size_of::<Frames>();
    let mut report = None;
    let report = measure(|| report = Some(BodyReport::default())).bytes_current as usize;
    println!("{} bytes per stream: {inline} beside the inner body, {report} for its report", inline + report);
    assert!(inline + report <= 512);
}

#[test]
fn heartbeats_cost_one_timer_when_a_stream_first_waits() {
    let (off, on) = (HeartbeatLayer::new(Duration::ZERO), HeartbeatLayer::new(Duration::from_secs(15)));
    let (bare, _) = count(service_fn(events));
    for layer in [off, on] {
        assert_eq!(count(layer.layer(service_fn(events))), (bare, 0), "not in {layer:?}");
    }

    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _context = runtime.enter();
    let layer = HeartbeatLayer::new(Duration::from_secs(15));
    let mut cx = Context::from_waker(Waker::noop());
    let mut future = std::pin::pin!(layer.layer(service_fn(silence)).call(Request::new(())));
    let Poll::Ready(Ok(answer)) = future.as_mut().poll(&mut cx) else { panic!("not ready") };
    let mut body = answer.into_body();
    let mut wait = || measure(|| assert!(Pin::new(&mut body).poll_frame(&mut cx).is_pending()));
    let (first, second) = (wait(), wait());
    let inline = size_of::<HeartbeatBody<Silence>>() - size_of::<Silence>();
    println!(
        "{inline} bytes beside the inner body, a timer of {} in {} allocations",
        first.bytes_total, first.count_total
    );
    assert!(inline <= 128 && first.bytes_total <= 128);
    assert_eq!((first.count_total, second.count_total), (1, 0));
}

#[test]
fn a_head_that_waits_costs_an_allocation_and_if_it_waits_long_a_timer() {
    let layer = PeekFirstLayer::new(Duration::from_secs(1), 16 << 10);
    count(layer.layer(service_fn(events)));
    let (bare, _) = count(service_fn(events));
    let (call, frames) = count(layer.layer(service_fn(events)));
    assert_eq!((call - bare, frames), (1, 0), "the first event is there at once, and nothing is copied");

    let inline = size_of::<PeekFirstFuture<(), Frames>>();
    let body = size_of::<PeekFirstBody<Frames>>() - size_of::<Option<Frames>>();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _context = runtime.enter();
    let mut cx = Context::from_waker(Waker::noop());
    let request = Request::post("/v1/messages").body(()).unwrap();
    let mut future = std::pin::pin!(layer.layer(service_fn(silence)).call(request));
    let held = measure(|| assert!(future.as_mut().poll(&mut cx).is_pending()));
    println!(
        "{inline} bytes in the future, {} in {} allocations while the head waits, {body} in the body",
        held.bytes_current, held.count_current
    );
    assert!(inline <= 40 && body <= 40 && held.bytes_current <= 704);
    assert_eq!(held.count_current, 2);
}

#[test]
fn a_mode_costs_five_allocations_and_nothing_per_frame_where_it_changes_nothing() {
    let layer = ModeLayer::new(1000);
    let with_body =
        |request: Request<()>| request.map(|()| Full::from(&br#"{"stream":true,"model":"m"}"#[..]));
    let service = |layer: &ModeLayer| {
        let inner = service_fn(|request: Request<Full<Bytes>>| events(request.map(drop)));
        MapRequest::new(layer.layer(inner), with_body)
    };
    count(service(&layer));
    let (bare, _) = count(service_fn(events));
    let (call, frames) = count(service(&layer));
    println!("{} allocations more per request, {frames} in 1000 frames", call - bare);
    assert_eq!((call - bare, frames), (5, 0));
}

/// Nothing, ever.
struct Silence;

impl Body for Silence {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

fn silence(_: Request<()>) -> Ready<Result<Response<Silence>, Infallible>> {
    let mut answer = Response::new(Silence);
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/event-stream"));
    ready(Ok(answer))
}
