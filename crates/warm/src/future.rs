use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use dashpot_body::Asked;
use dashpot_core::Deadline;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{
    IsCold, Replay, ResponseBody,
    permit::{Permit, now},
    service::Shared,
    upstream::Place,
    waiting::{Waited, Waiting},
};

pin_project! {
    /// The answer of a [`Warm`](crate::Warm).
    ///
    /// # Cancel safety
    ///
    /// Dropped, it leaves the queue. A start that it has begun goes on.
    pub struct ResponseFuture<S, B, C, R>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, B, C, R>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, B, C, R>
    where
        S: Service<Request<B>>,
    {
        // The exchange is gone once there is an answer.
        Admitted { #[pin] inner: S::Future, exchange: Option<Exchange<S, B, C, R>> },
        // Boxed: most requests need not wait, and this is large.
        Waiting { waiting: Pin<Box<Waiting<S, B, C, R>>> },
        // Answers now, and waits in the body.
        Loading { waiting: Option<Pin<Box<Waiting<S, B, C, R>>>>, every: Duration },
        Refused { response: Option<Response<Bytes>> },
    }
}

/// What the answer needs to know of its request.
pub(crate) struct Exchange<S, B, C, R> {
    permit: Permit,
    is_cold: C,
    asked: Asked,
    again: Option<Box<Again<S, B, C, R>>>,
}

/// What it takes to send a request once more.
struct Again<S, B, C, R> {
    inner: S,
    request: Request<B>,
    shared: Shared<C, R>,
}

impl<S: Service<Request<B>>, B, C, R> ResponseFuture<S, B, C, R> {
    pub(crate) fn admitted(inner: S::Future, exchange: Exchange<S, B, C, R>) -> Self {
        Self { state: State::Admitted { inner, exchange: Some(exchange) } }
    }

    /// With a pause between comments if it answers now.
    pub(crate) fn waiting(waiting: Waiting<S, B, C, R>, comments: Option<Duration>) -> Self {
        let waiting = Box::pin(waiting);
        let state = match comments {
            Some(every) => State::Loading { waiting: Some(waiting), every },
            None => State::Waiting { waiting },
        };
        Self { state }
    }

    pub(crate) fn refused(response: Response<Bytes>) -> Self {
        Self { state: State::Refused { response: Some(response) } }
    }
}

impl<S, ReqBody, C, R, B> Future for ResponseFuture<S, ReqBody, C, R>
where
    S: Service<Request<ReqBody>, Response = Response<B>> + Clone,
    C: IsCold<Response<B>, S::Error> + Clone,
    R: Replay<ReqBody> + Clone,
    ReqBody: Body,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<ResponseBody<B, Self>>, S::Error>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let next = match self.as_mut().project().state.project() {
                StateProjection::Admitted { inner, exchange } => {
                    let answer = ready!(inner.poll(cx));
                    let Exchange { permit, is_cold, asked, again } =
                        exchange.take().expect("not polled after it is ready");
                    let is_cold = is_cold.is_cold(answer.as_ref());
                    match is_cold.then(|| lost(&permit, again)).flatten() {
                        Some(waiting) => State::Waiting { waiting },
                        None => {
                            return Poll::Ready(
                                answer.map(|answer| ResponseBody::held(asked, answer, permit)),
                            );
                        }
                    }
                }
                StateProjection::Waiting { waiting } => match ready!(waiting.as_mut().poll(cx))? {
                    Waited::Admitted(inner, exchange) => State::Admitted { inner, exchange: Some(exchange) },
                    Waited::Refused(response) => State::Refused { response: Some(response) },
                },
                StateProjection::Loading { waiting, every } => {
                    let waiting = waiting.take().expect("not polled after it is ready");
                    let answer = Self { state: State::Waiting { waiting } };
                    return Poll::Ready(Ok(ResponseBody::loading(answer, *every)));
                }
                StateProjection::Refused { response } => {
                    let response = response.take().expect("not polled after it is ready");
                    return Poll::Ready(Ok(response.map(ResponseBody::refusal)));
                }
            };
            self.as_mut().project().state.set(next);
        }
    }
}

impl<S, ReqBody, C, R> Exchange<S, ReqBody, C, R> {
    #[inline]
    pub(crate) fn new(
        permit: Permit,
        inner: &S,
        request: &Request<ReqBody>,
        shared: &Shared<C, R>,
        may_repeat: bool,
    ) -> Self
    where
        S: Clone,
        C: Clone,
        R: Replay<ReqBody> + Clone,
    {
        let copy = if may_repeat { shared.replay.copy(request) } else { None };
        let again =
            copy.map(|request| Box::new(Again { inner: inner.clone(), request, shared: shared.clone() }));
        Self { permit, is_cold: shared.is_cold.clone(), asked: request.method().into(), again }
    }
}

/// The answer shows that the upstream is not there any more; the same request, which waits once more, if there is a copy.
#[cold]
#[inline(never)]
#[allow(clippy::type_complexity, reason = "a wait is in a box")]
fn lost<S, B: Body, C, R>(
    permit: &Permit,
    again: Option<Box<Again<S, B, C, R>>>,
) -> Option<Pin<Box<Waiting<S, B, C, R>>>> {
    permit.lost();
    let Again { inner, request, shared } = *again?;
    let deadline = Deadline::of(&request, now).map(Deadline::instant);
    let waiting = match permit.upstream().place(&shared.upstreams.plan.while_cold, deadline) {
        Place::Waits(turn) => Waiting::new(turn, inner, request, shared, false),
        Place::Passes(other) => Waiting::admitted(other, inner, request, shared, false),
        Place::Refused(_) => return None,
    };
    Some(Box::pin(waiting))
}

impl<S: Service<Request<B>>, B, C, R> fmt::Debug for ResponseFuture<S, B, C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
