use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use dashpot_body::{Asked, Verdict};
use dashpot_core::{Classify, Rejection};
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{Fallback, ResponseBody, guard, hold, permit::Permit, ready_call::ReadyCall};

pin_project! {
    /// The answer of a [`Breaker`](crate::Breaker).
    ///
    /// # Cancel safety
    ///
    /// Dropped, it counts as a client that left, unless the upstream had been silent for long; a probe's place is free.
    pub struct ResponseFuture<S, B, C, F, FF>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, B, C, F, FF>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, B, C, F, FF>
    where
        S: Service<Request<B>>,
    {
        // The exchange is gone once there is an answer.
        Admitted { #[pin] inner: S::Future, exchange: Option<Exchange<C>> },
        // Boxed: only a breaker that was not closed did not ask whether the inner service is ready.
        Late { inner: Pin<Box<ReadyCall<S, Request<B>>>>, exchange: Option<Exchange<C>> },
        // What it becomes is gone once it has become that.
        Held { held: Box<hold::Held>, call: Option<Box<Call<S, Request<B>, C, F>>> },
        Refused { #[pin] fallback: FF },
    }
}

/// A call that has not been decided about.
struct Call<S, R, C, F> {
    inner: S,
    request: R,
    classify: C,
    fallback: F,
}

/// What the answer needs to know of its request.
pub(crate) struct Exchange<C> {
    permit: Permit,
    classify: C,
    asked: Asked,
}

impl<S: Service<Request<B>>, B, C, F, FF> ResponseFuture<S, B, C, F, FF> {
    pub(crate) fn admitted(inner: S::Future, exchange: Exchange<C>) -> Self {
        Self { state: State::Admitted { inner, exchange: Some(exchange) } }
    }

    pub(crate) fn late(inner: S, request: Request<B>, exchange: Exchange<C>) -> Self {
        Self { state: State::late(inner, request, exchange) }
    }

    pub(crate) fn held(held: hold::Held, inner: S, request: Request<B>, classify: C, fallback: F) -> Self {
        let call = Box::new(Call { inner, request, classify, fallback });
        Self { state: State::Held { held: Box::new(held), call: Some(call) } }
    }

    pub(crate) fn refused(fallback: FF) -> Self {
        Self { state: State::Refused { fallback } }
    }
}

impl<S: Service<Request<B>>, B, C, F, FF> State<S, B, C, F, FF> {
    fn late(inner: S, request: Request<B>, exchange: Exchange<C>) -> Self {
        let inner = Box::pin(ReadyCall::new(inner, request));
        Self::Late { inner, exchange: Some(exchange) }
    }
}

impl<S, ReqBody, B, C, F> Future for ResponseFuture<S, ReqBody, C, F, F::Future>
where
    S: Service<Request<ReqBody>, Response = Response<B>>,
    C: Classify<Response<B>, S::Error>,
    B: Body<Data = Bytes>,
    F: Fallback<ReqBody, S::Error, B::Error>,
{
    type Output = Result<Response<ResponseBody<B, C, F::Body>>, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let (answer, exchange) = loop {
            let next = match this.state.as_mut().project() {
                StateProjection::Admitted { inner, exchange } => break (inner.poll(cx), exchange),
                StateProjection::Late { inner, exchange } => break (inner.as_mut().poll(cx), exchange),
                StateProjection::Refused { fallback } => {
                    let response = ready!(fallback.poll(cx))?;
                    return Poll::Ready(Ok(response.map(ResponseBody::fallback)));
                }
                StateProjection::Held { held, call } => {
                    let decided = ready!(held.poll(cx));
                    let call = *call.take().expect("it becomes something else at once");
                    call.goes_on(decided)
                }
            };
            this.state.set(next);
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

impl<S: Service<Request<B>>, B, C, F> Call<S, Request<B>, C, F> {
    /// Held -> Late or Refused: it is decided.
    fn goes_on<BE>(self, decided: Result<Permit, Rejection>) -> State<S, B, C, F, F::Future>
    where
        F: Fallback<B, S::Error, BE>,
    {
        let Self { inner, request, classify, fallback } = self;
        match decided {
            Ok(permit) => {
                let exchange = Exchange::new(permit, classify, &request);
                State::late(inner, request, exchange)
            }
            Err(rejection) => State::Refused { fallback: fallback.call(rejection, request) },
        }
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
        Ok(ResponseBody::held(self.asked, response, guard::Held::new(self.permit, verdict)))
    }
}

impl<S: Service<Request<B>>, B, C, F, FF> fmt::Debug for ResponseFuture<S, B, C, F, FF> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
