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
    /// The inner service's body, which holds its slot to the end; or the words of a refusal.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it gives its slot back at once.
    pub struct ResponseBody<B, C>
    where
        B: Body,
    {
        #[pin]
        kind: Kind<B, C>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<B, C>
    where
        B: Body,
    {
        Held { #[pin] body: Guarded<B, Held<C>> },
        Refusal { words: Bytes },
    }
}

impl<B: Body, C> ResponseBody<B, C> {
    pub(crate) fn held(
        asked: Asked,
        response: Response<B>,
        held: Held<C>,
        release_at: ReleaseAt,
    ) -> Response<Self> {
        Guarded::response(asked, response, held, release_at).map(|body| Self { kind: Kind::Held { body } })
    }

    pub(crate) fn refusal(words: Bytes) -> Self {
        Self { kind: Kind::Refusal { words } }
    }
}

impl<B: Body<Data = Bytes>, C> Body for ResponseBody<B, C> {
    type Data = Bytes;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().kind.project() {
            KindProjection::Held { body } => body.poll_frame(cx),
            KindProjection::Refusal { words } => {
                let words = std::mem::take(words);
                Poll::Ready((!words.is_empty()).then(|| Ok(Frame::data(words))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Held { body } => body.is_end_stream(),
            Kind::Refusal { words } => words.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Held { body } => body.size_hint(),
            Kind::Refusal { words } => SizeHint::with_exact(words.len() as u64),
        }
    }
}

impl<B: Body + fmt::Debug, C: fmt::Debug> fmt::Debug for ResponseBody<B, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Held { body } => f.debug_tuple("ResponseBody").field(body).finish(),
            Kind::Refusal { words } => f.debug_tuple("ResponseBody").field(words).finish(),
        }
    }
}
