use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use dashpot_body::{Tracked, is_bodiless};
use dashpot_core::BodyReport;
use dashpot_wire::dialect::Dialect;
use http::{Method, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::Instant;

use crate::{Observer, ResponseBody, head, layer::Shared, watch::Watch, whole::Whole};

pin_project! {
    /// The answer of an [`SsePassthrough`](crate::SsePassthrough).
    pub struct ResponseFuture<F, O = ()> {
        #[pin]
        inner: F,
        exchange: Exchange<O>,
    }
}

impl<F, O> ResponseFuture<F, O> {
    pub(crate) fn new(inner: F, exchange: Exchange<O>) -> Self {
        Self { inner, exchange }
    }
}

impl<F, O, B, E> Future for ResponseFuture<F, O>
where
    F: Future<Output = Result<Response<B>, E>>,
    O: Observer,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<ResponseBody<B, O>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.inner.poll(cx))?;
        Poll::Ready(Ok(this.exchange.watch(response)))
    }
}

impl<F: fmt::Debug, O> fmt::Debug for ResponseFuture<F, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("inner", &self.inner).finish_non_exhaustive()
    }
}

/// What the answer needs to know of its request.
pub(crate) struct Exchange<O> {
    pub(crate) shared: Arc<Shared<O>>,
    pub(crate) method: Method,
    pub(crate) dialect: Option<Dialect>,
    pub(crate) harden_headers: bool,
    pub(crate) called: Instant,
}

impl<O: Observer> Exchange<O> {
    fn watch<B: Body<Data = Bytes>>(&self, response: Response<B>) -> Response<ResponseBody<B, O>> {
        let (mut head, body) = response.into_parts();
        if !head::is_event_stream(&head.headers) {
            let dialect =
                self.dialect.filter(|_| head::is_json(&head.headers) && !head::is_encoded(&head.headers));
            let Some(dialect) = dialect else {
                return Response::from_parts(head, ResponseBody::unwatched(body));
            };
            let report = BodyReport::default();
            head.extensions.insert(report.clone());
            let body = Tracked::answer(body, &self.method, &head);
            return Response::from_parts(head, ResponseBody::whole(body, Whole::new(dialect, report)));
        }
        if head::is_encoded(&head.headers) {
            // Events inside a compressed stream cannot be seen, and nothing may be claimed about them.
            self.shared.counters.unobserved();
            tracing::debug!("an encoded event stream passes unobserved");
            return Response::from_parts(head, ResponseBody::unwatched(body));
        }
        if self.harden_headers {
            head::harden(&mut head.headers);
        }
        if is_bodiless(&self.method, head.status) {
            return Response::from_parts(head, ResponseBody::unwatched(body));
        }
        let body = Tracked::answer(body, &self.method, &head);
        let report = BodyReport::default();
        head.extensions.insert(report.clone());
        let watch = Watch::new(self.shared.clone(), self.dialect, report, self.called, Instant::now());
        let body = ResponseBody::watched(body, watch);
        Response::from_parts(head, body)
    }
}
