use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    ModeBody,
    answer::{Held, Wanted},
    request::Reading,
};

pin_project! {
    /// The answer of a [`ModeService`](crate::ModeService).
    ///
    /// # Cancel safety
    ///
    /// Dropped, it drops the request's body, the inner service's future, or the answer that it holds.
    pub struct ModeFuture<S, ReqBody, B>
    where
        S: Service<Request<ReqBody>>,
    {
        #[pin]
        state: State<S, ReqBody, B, S::Future>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, ReqBody, B, F> {
        // Boxed, as what is held: both are large, and not for long or not the rule.
        Reading { reading: Option<Box<Reading<S, ReqBody>>> },
        Calling { #[pin] inner: F, wanted: Option<Box<Wanted>> },
        Holding { held: Option<Box<Held<B>>> },
    }
}

impl<S, ReqBody, B> ModeFuture<S, ReqBody, B>
where
    S: Service<Request<ReqBody>>,
{
    pub(super) fn passing(inner: S::Future) -> Self {
        Self { state: State::Calling { inner, wanted: None } }
    }

    pub(super) fn reading(reading: Reading<S, ReqBody>) -> Self {
        Self { state: State::Reading { reading: Some(Box::new(reading)) } }
    }
}

impl<S, ReqBody, B> Future for ModeFuture<S, ReqBody, B>
where
    S: Service<Request<ReqBody>, Response = Response<B>>,
    ReqBody: Body + From<Bytes> + Unpin,
    B: Body<Data = Bytes> + Unpin,
{
    type Output = Result<Response<ModeBody<B>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                StateProjection::Reading { reading: slot } => {
                    let mut reading = slot.take().expect("not polled after it is ready");
                    let Poll::Ready(read) = reading.poll_body(cx) else {
                        *slot = Some(reading);
                        return Poll::Pending;
                    };
                    if let Err(why) = read {
                        return Poll::Ready(Ok(reading.refuse(why).map(ModeBody::made)));
                    }
                    let (inner, wanted) = reading.call();
                    state.set(State::Calling { inner, wanted: wanted.map(Box::new) });
                }
                StateProjection::Calling { inner, wanted } => {
                    let answer = ready!(inner.poll(cx))?;
                    let Some(wanted) = wanted.take() else {
                        return Poll::Ready(Ok(answer.map(ModeBody::passing)));
                    };
                    match Held::hold(*wanted, answer) {
                        Ok(held) => state.set(State::Holding { held: Some(Box::new(held)) }),
                        Err(answer) => return Poll::Ready(Ok(answer.map(ModeBody::passing))),
                    }
                }
                StateProjection::Holding { held: slot } => {
                    let mut held = slot.take().expect("not polled after it is ready");
                    let Poll::Ready(came) = held.poll_body(cx) else {
                        *slot = Some(held);
                        return Poll::Pending;
                    };
                    return Poll::Ready(Ok(held.answer(came).map(ModeBody::made)));
                }
            }
        }
    }
}

impl<S, ReqBody, B> fmt::Debug for ModeFuture<S, ReqBody, B>
where
    S: Service<Request<ReqBody>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Reading { .. } => "reading the request",
            State::Calling { .. } => "calling",
            State::Holding { .. } => "holding the answer",
        };
        f.debug_struct("ModeFuture").field("state", &state).finish_non_exhaustive()
    }
}
