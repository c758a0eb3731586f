use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use dashpot_body::{Asked, is_bodiless};
use http::{Response, header};
use http_body::Body;
use pin_project_lite::pin_project;

use super::{HeartbeatBody, HeartbeatLayer, body::Beat};
use crate::head;

pin_project! {
    /// The answer of a [`Heartbeat`](crate::Heartbeat).
    pub struct HeartbeatFuture<F> {
        #[pin]
        inner: F,
        layer: HeartbeatLayer,
        asked: Asked,
    }
}

impl<F> HeartbeatFuture<F> {
    pub(super) fn new(inner: F, layer: HeartbeatLayer, asked: Asked) -> Self {
        Self { inner, layer, asked }
    }
}

impl<F, B, E> Future for HeartbeatFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<HeartbeatBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (head, body) = ready!(this.inner.poll(cx))?.into_parts();
        let has_room = !this.layer.every.is_zero()
            && head::is_event_stream(&head.headers)
            && !head::is_encoded(&head.headers)
            && !head.headers.contains_key(header::CONTENT_LENGTH)
            && !is_bodiless(*this.asked, head.status)
            && body.size_hint().exact().is_none();
        let beat = has_room.then(|| {
            let report = head.extensions.get().cloned();
            Beat::new(this.layer.every, this.layer.handle.clone(), report)
        });
        Poll::Ready(Ok(Response::from_parts(head, HeartbeatBody::new(body, beat))))
    }
}

impl<F: fmt::Debug> fmt::Debug for HeartbeatFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeartbeatFuture").field("inner", &self.inner).finish_non_exhaustive()
    }
}
