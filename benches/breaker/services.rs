//! What the times are taken of: services that are ready, and exchanges with them.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    hint::{black_box, spin_loop},
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Empty;
use tower::Service;

type Asked = Request<Empty<Bytes>>;

/// HTTP, answered at once.
#[derive(Clone, Copy)]
pub(crate) struct Upstream;

impl Service<Asked> for Upstream {
    type Response = Response<Empty<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Asked) -> Self::Future {
        ready(Ok(Response::new(Empty::new())))
    }
}

/// Not HTTP.
#[derive(Clone, Copy)]
pub(crate) struct Echo;

impl Service<u32> for Echo {
    type Response = u32;
    type Error = Infallible;
    type Future = Ready<Result<u32, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, number: u32) -> Self::Future {
        ready(Ok(number))
    }
}

/// Answers when it is asked again.
#[derive(Clone, Copy)]
pub(crate) struct PendingOnce<S>(pub(crate) S);

impl<S: Service<R>, R> Service<R> for PendingOnce<S>
where
    S::Future: Unpin,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Later<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        Later { answer: self.0.call(request), is_asked: false }
    }
}

pub(crate) struct Later<F> {
    answer: F,
    is_asked: bool,
}

impl<F: Future + Unpin> Future for Later<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        if !std::mem::replace(&mut self.is_asked, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Pin::new(&mut self.answer).poll(cx)
    }
}

/// Some are pending when the other thread holds their lock.
fn wait<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(answer) => return answer,
            Poll::Pending => spin_loop(),
        }
    }
}

fn until_ready<S: Service<R>, R>(service: &mut S) {
    while service.poll_ready(&mut Context::from_waker(Waker::noop())).is_pending() {
        spin_loop();
    }
}

pub(crate) trait Exchange {
    fn exchange(&mut self);
}

#[derive(Clone)]
pub(crate) struct Http<S>(pub(crate) S);

impl<S, B> Exchange for Http<S>
where
    S: Service<Asked, Response = Response<B>>,
    B: Body<Data = Bytes>,
{
    fn exchange(&mut self) {
        until_ready(&mut self.0);
        let answer = wait(self.0.call(Request::new(Empty::new())));
        assert!(answer.is_ok_and(|response| black_box(response).status().is_success()));
    }
}

#[derive(Clone)]
pub(crate) struct Calls<S>(pub(crate) S);

impl<S> Exchange for Calls<S>
where
    S: Service<u32, Response = u32>,
{
    fn exchange(&mut self) {
        until_ready(&mut self.0);
        let answer = wait(self.0.call(black_box(7)));
        assert!(answer.is_ok_and(|number| black_box(number) == 7));
    }
}

/// For those that are no layers: they wrap the future of each call.
#[cfg(feature = "peers")]
#[derive(Clone)]
pub(crate) struct Wraps<F>(pub(crate) F);

#[cfg(feature = "peers")]
impl<F, A, E> Exchange for Wraps<F>
where
    F: Fn(Ready<Result<u32, Infallible>>) -> A,
    A: Future<Output = Result<u32, E>>,
{
    fn exchange(&mut self) {
        until_ready(&mut Echo);
        let answer = wait((self.0)(Echo.call(black_box(7))));
        assert!(answer.is_ok_and(|number| black_box(number) == 7));
    }
}
