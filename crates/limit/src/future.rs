use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use dashpot_body::{ReleaseAt, Verdict};
use dashpot_core::{Classify, is_grpc};
use http::{HeaderMap, Method, Response, header};
use http_body::Body;
use pin_project_lite::pin_project;

use crate::{ResponseBody, guard::Held, permit::Permit};

pin_project! {
    /// The answer of a [`Limit`](crate::Limit).
    ///
    /// # Cancel safety
    ///
    /// Dropped, it gives its slot back at once.
    pub struct ResponseFuture<F, C> {
        #[pin]
        state: State<F, C>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F, C> {
        // The exchange is gone once there is an answer.
        Admitted { #[pin] inner: F, exchange: Option<Exchange<C>> },
        Refused { response: Option<Response<Bytes>> },
    }
}

/// What the answer needs to know of its request.
pub(crate) struct Exchange<C> {
    pub(crate) permit: Permit,
    pub(crate) classify: C,
    pub(crate) release_at: ReleaseAt,
    pub(crate) method: Method,
}

impl<F, C> ResponseFuture<F, C> {
    pub(crate) fn admitted(inner: F, exchange: Exchange<C>) -> Self {
        Self { state: State::Admitted { inner, exchange: Some(exchange) } }
    }

    pub(crate) fn refused(response: Response<Bytes>) -> Self {
        Self { state: State::Refused { response: Some(response) } }
    }
}

impl<F, C, B, E> Future for ResponseFuture<F, C>
where
    F: Future<Output = Result<Response<B>, E>>,
    C: Classify<Response<B>, E>,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<ResponseBody<B, C>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Admitted { inner, exchange } => {
                let answer = ready!(inner.poll(cx));
                let exchange = exchange.take().expect("not polled after it is ready");
                Poll::Ready(exchange.answered(answer))
            }
            StateProjection::Refused { response } => {
                let response = response.take().expect("not polled after it is ready");
                Poll::Ready(Ok(response.map(ResponseBody::refusal)))
            }
        }
    }
}

impl<C> Exchange<C> {
    fn answered<B, E>(self, answer: Result<Response<B>, E>) -> Result<Response<ResponseBody<B, C>>, E>
    where
        C: Classify<Response<B>, E>,
        B: Body<Data = Bytes>,
    {
        let response = match answer {
            Ok(response) => response,
            Err(error) => {
                self.permit.end(self.classify.error(&error), None);
                return Err(error);
            }
        };
        let is_stream = is_stream(response.headers());
        let held = Held::new(self.permit, Verdict::new(self.classify, &response), is_stream);
        Ok(ResponseBody::held(&self.method, response, held, self.release_at))
    }
}

/// Whether an answer comes piece by piece.
fn is_stream(headers: &HeaderMap) -> bool {
    const EVENTS: &[u8] = b"text/event-stream";
    let content_type = headers.get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    is_grpc(headers)
        || content_type.get(..EVENTS.len()).is_some_and(|start| start.eq_ignore_ascii_case(EVENTS))
}

impl<F: fmt::Debug, C> fmt::Debug for ResponseFuture<F, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
