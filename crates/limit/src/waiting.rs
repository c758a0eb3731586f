use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use dashpot_core::Classify;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};
use tower_service::Service;

use crate::{
    future::Exchange,
    layer::Shared,
    permit::{Permit, now},
    waiters::Turn,
};

pin_project! {
    /// A request that waits for a slot, and then for the inner service to be ready.
    ///
    /// The service in here is a clone that is made ready only once the slot is there: one that is ready and waits
    /// would hold capacity of the layers further in.
    pub(crate) struct Waiting<S, B, C> {
        #[pin]
        turn: Turn,
        #[pin]
        late: Sleep,
        permit: Option<Permit>,
        inner: S,
        request: Option<Request<B>>,
        shared: Shared<C>,
    }

    impl<S, B, C> PinnedDrop for Waiting<S, B, C> {
        fn drop(this: Pin<&mut Self>) {
            // The inner service was not even called.
            if let Some(permit) = this.project().permit.take() {
                permit.pass_on();
            }
        }
    }
}

/// What came of waiting.
pub(crate) enum Waited<F, C> {
    Admitted(F, Exchange<C>),
    Refused(Response<Bytes>),
}

impl<S, B, C> Waiting<S, B, C> {
    pub(crate) fn new(turn: Turn, inner: S, request: Request<B>, shared: Shared<C>) -> Self {
        let late = sleep(turn.max_wait());
        Self { turn, late, permit: None, inner, request: Some(request), shared }
    }
}

impl<S, B, C, Answer> Future for Waiting<S, B, C>
where
    S: Service<Request<B>, Response = Answer>,
    C: Classify<Answer, S::Error> + Clone,
    B: http_body::Body,
{
    type Output = Result<Waited<S::Future, C>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if this.permit.is_none() {
            *this.permit = match this.turn.as_mut().poll(cx) {
                Poll::Ready(permit) => Some(permit),
                Poll::Pending => {
                    ready!(this.late.poll(cx));
                    this.turn.give_up()
                }
            };
        }
        if this.permit.is_some() {
            let ready = ready!(this.inner.poll_ready(cx));
            let permit = this.permit.take().expect("it is there, and taken once");
            if let Err(error) = ready {
                permit.end(this.shared.classify.error(&error), None);
                return Poll::Ready(Err(error));
            }
            let request = this.request.take().expect("not polled after it is ready");
            let exchange = Exchange::new(permit, this.shared, &request);
            return Poll::Ready(Ok(Waited::Admitted(this.inner.call(request), exchange)));
        }
        let request = this.request.take().expect("not polled after it is ready");
        let (limiter, claim) = this.turn.place();
        let refusal = this.shared.refuse(limiter, claim, now(), request.headers());
        Poll::Ready(Ok(Waited::Refused(refusal)))
    }
}
