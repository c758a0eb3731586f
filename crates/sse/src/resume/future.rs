use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use super::{BoxError, Found, ResumeBody, ResumeLayer, Store, exchange::Exchange};

pin_project! {
    /// The answer of a [`Resume`](super::Resume).
    ///
    /// # Cancel safety
    ///
    /// Dropped, it drops the inner service's future: before the head nothing was promised.
    pub struct ResumeFuture<F, St: Store> {
        #[pin]
        state: State<F, St::Find, St>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F, L, St> {
        Calling { #[pin] inner: F, exchange: Option<Exchange<St>> },
        Finding { #[pin] find: L, layer: ResumeLayer<St> },
        Nobody { layer: ResumeLayer<St> },
    }
}

impl<F, St: Store> ResumeFuture<F, St> {
    pub(super) fn calling(inner: F, exchange: Option<Exchange<St>>) -> Self {
        Self { state: State::Calling { inner, exchange } }
    }

    pub(super) fn finding(find: Option<St::Find>, layer: ResumeLayer<St>) -> Self {
        let state = match find {
            Some(find) => State::Finding { find, layer },
            None => State::Nobody { layer },
        };
        Self { state }
    }
}

impl<F, St, B, E> Future for ResumeFuture<F, St>
where
    F: Future<Output = Result<Response<B>, E>>,
    St: Store,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Output = Result<Response<ResumeBody<B, St>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Calling { inner, exchange } => {
                let response = ready!(inner.poll(cx))?;
                Poll::Ready(Ok(match exchange.take() {
                    Some(exchange) => exchange.open(response),
                    None => response.map(ResumeBody::passing),
                }))
            }
            StateProjection::Finding { find, layer } => Poll::Ready(Ok(layer.answer(ready!(find.poll(cx))))),
            StateProjection::Nobody { layer } => Poll::Ready(Ok(layer.answer(Found::Gone))),
        }
    }
}

impl<F: fmt::Debug, St: Store> fmt::Debug for ResumeFuture<F, St> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("ResumeFuture");
        if let State::Calling { inner, .. } = &self.state {
            debug.field("inner", inner);
        }
        debug.finish_non_exhaustive()
    }
}
