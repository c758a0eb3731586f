//! What stands behind the breakers: it does what each request asks for.

use std::{
    convert::Infallible,
    future::pending,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::{future::BoxFuture, stream};
use http::{Request, Response, header};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, StreamBody, combinators::BoxBody};
use tokio::sync::Notify;
use tower::Service;

pub(crate) type Asked = Request<Empty<Bytes>>;
pub(crate) type Answer = Response<BoxBody<Bytes, io::Error>>;

/// What a request wants; in its extensions.
#[derive(Clone)]
pub(crate) enum Want {
    Success,
    Failure,
    /// A failure that says when to come back, in seconds.
    FailureFor(u64),
    /// Too many requests.
    TooMany,
    /// A head that says that all is well, one frame, and then an error.
    BrokenStream,
    /// No answer at all.
    Silence,
    /// A success, once told to.
    SuccessAfter(Arc<Notify>),
    /// A failure, once told to.
    FailureAfter(Arc<Notify>),
}

pub(crate) fn asked(want: Want) -> Asked {
    let mut request = Request::new(Empty::new());
    request.extensions_mut().insert(want);
    request
}

#[derive(Clone, Default)]
pub(crate) struct Upstream(Arc<Shared>);

#[derive(Default)]
struct Shared {
    calls: AtomicUsize,
    is_stuck: AtomicBool,
}

impl Upstream {
    /// How many calls have come this far.
    pub(crate) fn calls(&self) -> usize {
        self.0.calls.load(Relaxed)
    }

    /// Never ready from here on.
    pub(crate) fn stick(&self) {
        self.0.is_stuck.store(true, Relaxed);
    }
}

impl Service<Asked> for Upstream {
    type Response = Answer;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Answer, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if self.0.is_stuck.load(Relaxed) { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn call(&mut self, request: Asked) -> Self::Future {
        self.0.calls.fetch_add(1, Relaxed);
        let want = request.extensions().get().cloned().unwrap_or(Want::Success);
        Box::pin(answer(want))
    }
}

async fn answer(want: Want) -> Result<Answer, Infallible> {
    let status = |status| Response::builder().status(status);
    let builder = match &want {
        Want::Success => status(200),
        Want::Failure => status(503),
        Want::FailureFor(seconds) => status(503).header(header::RETRY_AFTER, *seconds),
        Want::TooMany => status(429),
        Want::BrokenStream => status(200).header(header::CONTENT_TYPE, "text/event-stream"),
        Want::Silence => pending().await,
        Want::SuccessAfter(told) => {
            told.notified().await;
            status(200)
        }
        Want::FailureAfter(told) => {
            told.notified().await;
            status(503)
        }
    };
    let body = if matches!(want, Want::BrokenStream) { broken() } else { whole() };
    Ok(builder.body(body).expect("its parts are valid"))
}

fn whole() -> BoxBody<Bytes, io::Error> {
    Empty::new().map_err(|never| match never {}).boxed()
}

fn broken() -> BoxBody<Bytes, io::Error> {
    let frames = [
        Ok(Frame::data(Bytes::from_static(b"data: {}\n\n"))),
        Err(io::Error::from(io::ErrorKind::ConnectionReset)),
    ];
    BodyExt::boxed(StreamBody::new(stream::iter(frames)))
}
