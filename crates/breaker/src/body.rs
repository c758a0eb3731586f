use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use dashpot_body::{Asked, Guarded, ReleaseAt};
use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::guard::Held;

pin_project! {
    /// The inner service's body, whose end decides what the call has shown; or the fallback's.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it counts as a client that left, unless the upstream had been silent for long; a probe's place is free.
    pub struct ResponseBody<B, C, FB>
    where
        B: Body,
    {
        #[pin]
        kind: Kind<B, C, FB>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<B, C, FB>
    where
        B: Body,
    {
        Held { #[pin] body: Guarded<B, Held<C>> },
        Fallback { #[pin] body: FB },
    }
}

impl<B: Body, C, FB> ResponseBody<B, C, FB> {
    pub(crate) fn held(asked: Asked, response: Response<B>, held: Held<C>) -> Response<Self> {
        Guarded::response(asked, response, held, ReleaseAt::End)
            .map(|body| Self { kind: Kind::Held { body } })
    }

    pub(crate) fn fallback(body: FB) -> Self {
        Self { kind: Kind::Fallback { body } }
    }
}

impl<B, C, FB> Body for ResponseBody<B, C, FB>
where
    B: Body<Data = Bytes>,
    FB: Body<Data = Bytes, Error = B::Error>,
{
    type Data = Bytes;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().kind.project() {
            KindProjection::Held { body } => body.poll_frame(cx),
            KindProjection::Fallback { body } => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Held { body } => body.is_end_stream(),
            Kind::Fallback { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Held { body } => body.size_hint(),
            Kind::Fallback { body } => body.size_hint(),
        }
    }
}

impl<B: Body, C, FB> fmt::Debug for ResponseBody<B, C, FB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").finish_non_exhaustive()
    }
}
