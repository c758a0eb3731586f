use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep_until};
use tower_service::Service;

use crate::{IsCold, Replay, future::Exchange, permit::Permit, queue::Turn, service::Shared};

pin_project! {
    /// A request that waits until its upstream is warm and it is its turn, and then for the inner service to be ready.
    ///
    /// The service in here is a clone that is made ready only then: one that is ready and waits would hold capacity of the
    /// layers further in.
    pub(crate) struct Waiting<S, B, C, R> {
        turn: Option<Turn>,
        #[pin]
        late: Option<Sleep>,
        permit: Option<Permit>,
        inner: S,
        request: Option<Request<B>>,
        shared: Shared<C, R>,
        // Whether it may be sent once more, if this time its upstream is cold.
        may_repeat: bool,
    }
}

/// What came of waiting.
pub(crate) enum Waited<S: Service<Request<B>>, B, C, R> {
    Admitted(S::Future, Exchange<S, B, C, R>),
    Refused(Response<Bytes>),
}

impl<S, B, C, R> Waiting<S, B, C, R> {
    pub(crate) fn new(
        turn: Turn,
        inner: S,
        request: Request<B>,
        shared: Shared<C, R>,
        may_repeat: bool,
    ) -> Self {
        let late = Some(sleep_until(turn.until().into()));
        Self { turn: Some(turn), late, permit: None, inner, request: Some(request), shared, may_repeat }
    }

    /// One that only the inner service has to be ready for.
    pub(crate) fn admitted(
        permit: Permit,
        inner: S,
        request: Request<B>,
        shared: Shared<C, R>,
        may_repeat: bool,
    ) -> Self {
        Self {
            turn: None,
            late: None,
            permit: Some(permit),
            inner,
            request: Some(request),
            shared,
            may_repeat,
        }
    }
}

impl<S, B, C, R, ResBody> Future for Waiting<S, B, C, R>
where
    S: Service<Request<B>, Response = Response<ResBody>> + Clone,
    C: IsCold<Response<ResBody>, S::Error> + Clone,
    R: Replay<B> + Clone,
    B: Body,
{
    type Output = Result<Waited<S, B, C, R>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let (None, Some(turn)) = (&this.permit, &mut this.turn) {
            *this.permit = match Pin::new(&mut *turn).poll(cx) {
                Poll::Ready(permit) => Some(permit),
                Poll::Pending => {
                    if let Some(late) = this.late.as_mut().as_pin_mut() {
                        ready!(late.poll(cx));
                    }
                    turn.give_up()
                }
            };
            if this.permit.is_none() {
                let request = this.request.take().expect("not polled after it is ready");
                let rejection = turn.upstream().timed_out();
                *this.turn = None;
                let refusal = this.shared.upstreams.refuse(rejection, &request);
                return Poll::Ready(Ok(Waited::Refused(refusal)));
            }
        }
        let ready = ready!(this.inner.poll_ready(cx));
        let permit = this.permit.take().expect("not polled after it is ready");
        if let Err(error) = ready {
            if this.shared.is_cold.is_cold(Err(&error)) {
                permit.lost();
            }
            return Poll::Ready(Err(error));
        }
        let request = this.request.take().expect("not polled after it is ready");
        let exchange = Exchange::new(permit, this.inner, &request, this.shared, *this.may_repeat);
        Poll::Ready(Ok(Waited::Admitted(this.inner.call(request), exchange)))
    }
}
