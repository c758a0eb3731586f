use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use dashpot_body::{ReleaseAt, Verdict};
use dashpot_core::{Classify, Deadline, grpc_timeout};
use http::{Method, Request, Response, Version};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{
    ResponseBody,
    guard::Held,
    layer::Shared,
    permit::{Permit, now},
    policy::Signal,
    waiters::Turn,
    waiting::{Waited, Waiting},
};

pin_project! {
    /// The answer of a [`Limit`](crate::Limit).
    ///
    /// # Cancel safety
    ///
    /// Dropped, it gives its slot back at once, or its place among those who wait for one.
    pub struct ResponseFuture<S, B, C>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, B, C>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, B, C>
    where
        S: Service<Request<B>>,
    {
        // The exchange is gone once there is an answer.
        Admitted { #[pin] inner: S::Future, exchange: Option<Exchange<C>> },
        // Boxed: most requests need not wait, and this is large.
        Waiting { waiting: Pin<Box<Waiting<S, B, C>>> },
        Refused { response: Option<Response<Bytes>> },
    }
}

/// What the answer needs to know of its request.
pub(crate) struct Exchange<C> {
    permit: Permit,
    classify: C,
    release_at: ReleaseAt,
    asked: Asked,
}

/// What the end of an answer's body depends on, of its request's method: one byte to move, where that is 24.
#[derive(Clone, Copy)]
enum Asked {
    Head,
    Connect,
    Other,
}

impl Asked {
    fn of(method: &Method) -> Self {
        match *method {
            Method::HEAD => Self::Head,
            Method::CONNECT => Self::Connect,
            _ => Self::Other,
        }
    }

    /// One that stands for all of these.
    fn method(self) -> Method {
        match self {
            Self::Head => Method::HEAD,
            Self::Connect => Method::CONNECT,
            Self::Other => Method::GET,
        }
    }
}

impl<S, B, C> ResponseFuture<S, B, C>
where
    S: Service<Request<B>>,
{
    pub(crate) fn admitted(inner: S::Future, exchange: Exchange<C>) -> Self {
        Self { state: State::Admitted { inner, exchange: Some(exchange) } }
    }

    pub(crate) fn waiting(turn: Turn, inner: S, request: Request<B>, shared: Shared<C>) -> Self {
        let waiting = Box::pin(Waiting::new(turn, inner, request, shared));
        Self { state: State::Waiting { waiting } }
    }

    pub(crate) fn refused(response: Response<Bytes>) -> Self {
        Self { state: State::Refused { response: Some(response) } }
    }
}

impl<S, ReqBody, C, B> Future for ResponseFuture<S, ReqBody, C>
where
    S: Service<Request<ReqBody>, Response = Response<B>>,
    C: Classify<Response<B>, S::Error> + Clone,
    ReqBody: Body,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<ResponseBody<B, C>>, S::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let next = match self.as_mut().project().state.project() {
                StateProjection::Admitted { inner, exchange } => {
                    let answer = ready!(inner.poll(cx));
                    let exchange = exchange.take().expect("not polled after it is ready");
                    return Poll::Ready(exchange.answered(answer));
                }
                StateProjection::Refused { response } => {
                    let response = response.take().expect("not polled after it is ready");
                    return Poll::Ready(Ok(response.map(ResponseBody::refusal)));
                }
                StateProjection::Waiting { waiting } => match ready!(waiting.as_mut().poll(cx))? {
                    Waited::Admitted(inner, exchange) => Self::admitted(inner, exchange),
                    Waited::Refused(response) => Self::refused(response),
                },
            };
            self.as_mut().project().state.set(next.state);
        }
    }
}

impl<C: Clone> Exchange<C> {
    pub(crate) fn new<B: Body>(permit: Permit, shared: &Shared<C>, request: &Request<B>) -> Self {
        let deadline = request.extensions().get::<Deadline>().copied().or_else(|| {
            // Of calls with gRPC, which are all HTTP/2: what the server then says is the client's doing too.
            let is_http2 = request.version() == Version::HTTP_2;
            let timeout = is_http2.then(|| grpc_timeout(request.headers()))??;
            Deadline::after(now(), timeout)
        });
        // Bytes will do: they grow with what the model has to read.
        let prompt = request.body().size_hint().exact().and_then(|bytes| bytes.try_into().ok());
        Self {
            permit: permit.with(deadline, prompt),
            classify: shared.classify.clone(),
            release_at: shared.release_at,
            asked: Asked::of(request.method()),
        }
    }

    fn answered<B, E>(self, answer: Result<Response<B>, E>) -> Result<Response<ResponseBody<B, C>>, E>
    where
        C: Classify<Response<B>, E>,
        B: Body<Data = Bytes>,
    {
        let response = match answer {
            Ok(response) => response,
            Err(error) => {
                self.permit.end(self.classify.error(&error), Some(Signal::Latency { output_tokens: None }));
                return Err(error);
            }
        };
        let verdict = Verdict::new(self.classify, &response);
        let held = Held::new(self.permit, verdict);
        Ok(ResponseBody::held(&self.asked.method(), response, held, self.release_at))
    }
}

impl<S: Service<Request<B>>, B, C> fmt::Debug for ResponseFuture<S, B, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
