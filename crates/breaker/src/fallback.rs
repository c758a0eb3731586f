use std::{
    fmt,
    future::{Ready, ready},
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use dashpot_core::Rejection;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use tower_service::Service;

use crate::ready_call::ReadyCall;

/// Answers in place of an upstream that is not called.
///
/// `E` is the inner service's error and `BE` that of its bodies.
pub trait Fallback<ReqBody, E, BE> {
    /// The body of its answers.
    type Body: Body<Data = Bytes, Error = BE>;
    /// Its answer.
    type Future: Future<Output = Result<Response<Self::Body>, E>>;

    /// Answers `request`, which was refused.
    fn call(&self, rejection: Rejection, request: Request<ReqBody>) -> Self::Future;
}

type Words = dyn Fn(Rejection, &HeaderMap) -> Response<Bytes> + Send + Sync;

/// The default fallback: the refusal itself, as an answer. [`Rejection::response`], unless other words were given.
#[derive(Clone)]
pub struct Refuse(pub(crate) Arc<Words>);

impl Default for Refuse {
    fn default() -> Self {
        Self(Arc::new(|rejection, headers| rejection.response(headers).map(Bytes::from)))
    }
}

impl<ReqBody, E, BE> Fallback<ReqBody, E, BE> for Refuse {
    type Body = RefusalBody<BE>;
    type Future = Ready<Result<Response<RefusalBody<BE>>, E>>;

    fn call(&self, rejection: Rejection, request: Request<ReqBody>) -> Self::Future {
        let answer = (self.0)(rejection, request.headers());
        ready(Ok(answer.map(|words| RefusalBody { words, error: PhantomData })))
    }
}

impl fmt::Debug for Refuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Refuse")
    }
}

/// The words of a refusal. It never fails.
#[derive(Debug)]
pub struct RefusalBody<E> {
    words: Bytes,
    error: PhantomData<fn() -> E>,
}

impl<E> Body for RefusalBody<E> {
    type Data = Bytes;
    type Error = E;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, E>>> {
        let words = std::mem::take(&mut self.words);
        Poll::Ready((!words.is_empty()).then(|| Ok(Frame::data(words))))
    }

    fn is_end_stream(&self) -> bool {
        self.words.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.words.len() as u64)
    }
}

/// Another service that answers in place of the upstream: another model, a cache, a kind word.
///
/// It gets the request as it is, with the [`Rejection`] in its extensions.
#[derive(Clone, Copy, Debug)]
pub struct FallbackService<S>(pub(crate) S);

impl<S, ReqBody, E, B> Fallback<ReqBody, E, B::Error> for FallbackService<S>
where
    S: Service<Request<ReqBody>, Response = Response<B>, Error = E> + Clone,
    B: Body<Data = Bytes>,
{
    type Body = B;
    type Future = ReadyCall<S, Request<ReqBody>>;

    fn call(&self, rejection: Rejection, mut request: Request<ReqBody>) -> Self::Future {
        request.extensions_mut().insert(rejection);
        ReadyCall::new(self.0.clone(), request)
    }
}
