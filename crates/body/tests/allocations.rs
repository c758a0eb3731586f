//! A guard costs no allocation. In a file of its own: the counting allocator is the whole program's.

use std::{
    pin::Pin,
    task::{Context, Poll, Waker},
};

use allocation_counter::measure;
use bytes::Bytes;
use dashpot_body::{Guarded, ReleaseAt};
use http::{Method, Response};
use http_body::{Body, Frame};

/// Ready frames that cost nothing to make.
struct Frames(u32);

impl Body for Frames {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.0.checked_sub(1).map(|left| {
            self.0 = left;
            Ok(Frame::data(Bytes::from_static(b"data: x\n\n")))
        }))
    }
}

#[test]
fn nothing_is_allocated_from_the_head_to_the_end() {
    let mut ended = false;
    let allocations = measure(|| {
        let answer = Response::new(Frames(1000));
        let answer = Guarded::response(&Method::GET, answer, |_| ended = true, ReleaseAt::FirstByte);
        let mut body = answer.into_body();
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(_)) = Pin::new(&mut body).poll_frame(&mut cx) {}
    });
    assert!(ended);
    assert_eq!(allocations.count_total, 0);
}

#[test]
fn a_guarded_body_is_little_larger_than_the_body() {
    type Guard = fn(dashpot_body::End);
    let added = size_of::<Guarded<Frames, Guard>>() - size_of::<Frames>() - size_of::<Guard>();
    println!("{added} bytes beside the body and the guard");
    assert!(added <= 40);
}
