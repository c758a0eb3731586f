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
use dashpot_deadline::DeadlineLayer;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::Empty;
use tower::{Layer, Service, service_fn};

/// Events of a stream, each of which is waited for once.
struct Events {
    left: u32,
    is_ready: bool,
}

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.is_ready = !self.is_ready;
        if self.is_ready {
            return Poll::Pending;
        }
        Poll::Ready(self.left.checked_sub(1).map(|left| {
            self.left = left;
            Ok(Frame::data(Bytes::from_static(b"data: x\n\n")))
        }))
    }
}

fn answer(_: Request<Empty<Bytes>>) -> Ready<Result<Response<Events>, Infallible>> {
    let mut response = Response::new(Events { left: 100, is_ready: false });
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("text/event-stream"));
    ready(Ok(response))
}

/// The allocations of a call until its head is there, and of its body.
fn count<S, B>(mut service: S) -> (u64, u64)
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>, Error = Infallible>,
    B: Body<Data = Bytes>,
{
    let mut cx = Context::from_waker(Waker::noop());
    let (mut answered, mut request) = (None, Some(Request::default()));
    let head = measure(|| {
        assert!(service.poll_ready(&mut cx).is_ready());
        let mut future = pin!(service.call(request.take().unwrap()));
        let Poll::Ready(Ok(answer)) = future.as_mut().poll(&mut cx) else { panic!("not ready") };
        answered = Some(answer.into_body());
    });
    let mut body = answered;
    let body = measure(|| {
        let mut body = pin!(body.take().unwrap());
        for _ in 0..300 {
            if let Poll::Ready(None) = body.as_mut().poll_frame(&mut cx) {
                return;
            }
        }
        panic!("it does not end");
    });
    (head.count_total, body.count_total)
}

#[test]
fn a_stream_allocates_its_timer_and_what_others_read_and_nothing_for_an_event() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    let (bare, 0) = count(service_fn(answer)) else { panic!("the service itself") };
    let layer = |clocks: fn(DeadlineLayer, Duration) -> DeadlineLayer| {
        let layer = clocks(DeadlineLayer::new(), Duration::from_secs(60));
        let (head, body) = count(layer.layer(service_fn(answer)));
        (head - bare, body)
    };
    // The map of the request's extensions, a box in it for the arrival, and one for the deadline.
    assert_eq!(layer(|layer, _| layer), (3, 0));
    assert_eq!(layer(|layer, time| layer.gap(time)), (3, 1));
    assert_eq!(layer(|layer, time| layer.first_content(time).gap(time).total(time)), (4, 1));
}
