use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use dashpot_body::{Asked, Verdict};
use dashpot_core::Classify;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{ResponseBody, guard::Held, permit::Permit, ready_call::ReadyCall};

pin_project! {
    /// The answer of a [`Breaker`](crate::Breaker).
    ///
    /// # Cancel safety
    ///
    /// Dropped, it counts as a client that left, unless the upstream had been silent for long; a probe's place is free.
    pub struct ResponseFuture<S, B, C, FF>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, B, C, FF>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, B, C, FF>
    where
        S: Service<Request<B>>,
    {
        // The exchange is gone once there is an answer.
        Admitted { #[pin] inner: S::Future, exchange: Option<Exchange<C>> },
        // Boxed: only a breaker that was not closed did not ask whether the inner service is ready.
        Late { inner: Pin<Box<ReadyCall<S, Request<B>>>>, exchange: Option<Exchange<C>> },
        Refused { #[pin] fallback: FF },
    }
}

/// What the answer needs to know of its request.
pub(crate) struct Exchange<C> {
    permit: Permit,
    classify: C,
    asked: Asked,
}

impl<S: Service<Request<B>>, B, C, FF> ResponseFuture<S, B, C, FF> {
    pub(crate) fn admitted(inner: S::Future, exchange: Exchange<C>) -> Self {
        Self { state: State::Admitted { inner, exchange: Some(exchange) } }
    }

    pub(crate) fn late(inner: S, request: Request<B>, exchange: Exchange<C>) -> Self {
        let inner = Box::pin(ReadyCall::new(inner, request));
        Self { state: State::Late { inner, exchange: Some(exchange) } }
    }

    pub(crate) fn refused(fallback: FF) -> Self {
        Self { state: State::Refused { fallback } }
    }
}

impl<S, ReqBody, B, C, FF, FB> Future for ResponseFuture<S, ReqBody, C, FF>
where
    S: Service<Request<ReqBody>, Response = Response<B>>,
    C: Classify<Response<B>, S::Error>,
    B: Body<Data = Bytes>,
    FF: Future<Output = Result<Response<FB>, S::Error>>,
    FB: Body<Data = Bytes, Error = B::Error>,
{
    type Output = Result<Response<ResponseBody<B, C, FB>>, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (answer, exchange) = match self.project().state.project() {
            StateProjection::Admitted { inner, exchange } => (inner.poll(cx), exchange),
            StateProjection::Late { inner, exchange } => (inner.as_mut().poll(cx), exchange),
            StateProjection::Refused { fallback } => {
                let response = ready!(fallback.poll(cx))?;
                return Poll::Ready(Ok(response.map(ResponseBody::fallback)));
            }
        };
        let Poll::Ready(answer) = answer else {
            if let Some(exchange) = exchange {
                exchange.permit.pending();
            }
            return Poll::Pending;
        };
        Poll::Ready(exchange.take().expect("not polled after it is ready").answered(answer))
    }
}

impl<C> Exchange<C> {
    #[inline]
    pub(crate) fn new<B>(mut permit: Permit, classify: C, request: &Request<B>) -> Self {
        permit.set_deadline(request);
        Self { permit, classify, asked: request.method().into() }
    }

    #[inline]
    fn answered<B, E, FB>(
        mut self,
        answer: Result<Response<B>, E>,
    ) -> Result<Response<ResponseBody<B, C, FB>>, E>
    where
        C: Classify<Response<B>, E>,
        B: Body<Data = Bytes>,
    {
        self.permit.progress();
        let response = match answer {
            Ok(response) => response,
            Err(error) => {
                self.permit.end(self.classify.error(&error));
                return Err(error);
            }
        };
        let verdict = Verdict::new(self.classify, &response);
        Ok(ResponseBody::held(self.asked, response, Held::new(self.permit, verdict)))
    }
}

impl<S: Service<Request<B>>, B, C, FF> fmt::Debug for ResponseFuture<S, B, C, FF> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
