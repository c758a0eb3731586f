use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::Bytes;
use dashpot_body::{Asked, Timer};
use dashpot_core::Rejection;
use dashpot_wire::dialect::Dialect;
use http::{Response, StatusCode};
use http_body::Body;
use pin_project_lite::pin_project;

use crate::{
    Clock, ResponseBody,
    clocks::Clocks,
    layer::{Protocol, Rules},
};

pin_project! {
    /// The answer of a [`DeadlineService`](crate::DeadlineService).
    ///
    /// # Cancel safety
    ///
    /// Dropped, it drops the inner service's future, and there is nothing else to it.
    pub struct ResponseFuture<F> {
        // Gone when a clock ran out: that lets go of the upstream.
        #[pin]
        inner: Option<F>,
        exchange: Exchange,
    }
}

/// What the answer needs to know of its request.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) rules: Arc<Rules>,
    pub(crate) clocks: Clocks,
    pub(crate) dialect: Option<Dialect>,
    pub(crate) asked: Asked,
    pub(crate) protocol: Protocol,
    pub(crate) timer: Timer,
    pub(crate) is_wished: bool,
}

impl<F> ResponseFuture<F> {
    pub(crate) fn new(inner: F, exchange: Exchange) -> Self {
        Self { inner: Some(inner), exchange }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let inner = this.inner.as_mut().as_pin_mut().expect("not polled after it is ready");
        if let Poll::Ready(answer) = inner.poll(cx) {
            return Poll::Ready(answer.map(|response| ResponseBody::answer(response, this.exchange)));
        }
        let Some((at, clock)) = this.exchange.clocks.next() else { return Poll::Pending };
        ready!(this.exchange.timer.poll(at, cx));
        this.inner.set(None);
        Poll::Ready(Ok(this.exchange.refuse(clock).map(ResponseBody::words)))
    }
}

impl Exchange {
    fn refuse(&self, clock: Clock) -> Response<Bytes> {
        tracing::debug!(clock = clock.name(), "no answer in time");
        let rejection = Rejection::new("deadline", clock.reason()).with_status(StatusCode::GATEWAY_TIMEOUT);
        (self.rules.refuse)(rejection, self.protocol)
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("exchange", &self.exchange).finish_non_exhaustive()
    }
}

/// The time, on the clock that tests can pause.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
