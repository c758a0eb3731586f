use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The inner service's body, or the answer in the other mode.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it drops the inner body; of an answer in the other mode that is over already.
    #[derive(Debug)]
    pub struct ModeBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProjection]
    #[derive(Debug)]
    enum Kind<B> {
        Passing { #[pin] body: B },
        Made { bytes: Bytes },
    }
}

impl<B> ModeBody<B> {
    pub(super) fn passing(body: B) -> Self {
        Self { kind: Kind::Passing { body } }
    }

    pub(super) fn made(bytes: Bytes) -> Self {
        Self { kind: Kind::Made { bytes } }
    }
}

impl<B: Body<Data = Bytes>> Body for ModeBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().kind.project() {
            KindProjection::Passing { body } => body.poll_frame(cx),
            KindProjection::Made { bytes } if bytes.is_empty() => Poll::Ready(None),
            KindProjection::Made { bytes } => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Passing { body } => body.is_end_stream(),
            Kind::Made { bytes } => bytes.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Passing { body } => body.size_hint(),
            Kind::Made { bytes } => SizeHint::with_exact(bytes.len() as u64),
        }
    }
}
