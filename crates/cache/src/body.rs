use std::{
    error::Error,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::{
    flight::{BoxError, Next, Seat},
    replay::Replay,
};

pin_project! {
    /// The inner service's body, or one that several listen to, or an answer that was kept.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it drops the inner body, unless others listen to it too.
    pub struct ResponseBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<B> {
        Passing { #[pin] body: B },
        Shared { seat: Seat },
        Kept { replay: Replay },
    }
}

impl<B> ResponseBody<B> {
    pub(crate) fn passing(body: B) -> Self {
        Self { kind: Kind::Passing { body } }
    }

    pub(crate) fn shared(seat: Seat) -> Self {
        Self { kind: Kind::Shared { seat } }
    }

    pub(crate) fn kept(replay: Replay) -> Self {
        Self { kind: Kind::Kept { replay } }
    }
}

impl<B> Body for ResponseBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.project().kind.project() {
            KindProjection::Passing { body } => {
                body.poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(Into::into)))
            }
            KindProjection::Shared { seat } => seat.poll_next(cx).map(|next| match next {
                Next::Frame(frame) => Some(Ok(frame)),
                Next::End => None,
                Next::Because(error) => Some(Err(error)),
                Next::Broken => Some(Err(Broken.into())),
            }),
            KindProjection::Kept { replay } => {
                replay.poll_next(cx).map(|data| data.map(|data| Ok(Frame::data(data))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Passing { body } => body.is_end_stream(),
            Kind::Shared { seat } => seat.is_over(),
            Kind::Kept { replay } => replay.left() == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Passing { body } => body.size_hint(),
            Kind::Shared { .. } => SizeHint::new(),
            Kind::Kept { replay } => SizeHint::with_exact(replay.left()),
        }
    }
}

impl<B> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.kind {
            Kind::Passing { .. } => "passing",
            Kind::Shared { .. } => "shared",
            Kind::Kept { .. } => "kept",
        };
        f.debug_struct("ResponseBody").field("kind", &kind).finish_non_exhaustive()
    }
}

/// An answer that several listened to broke off; or went on without one that read too slowly for what is kept.
///
/// The inner body's own error is told to one of them.
#[derive(Clone, Copy, Debug)]
pub struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the answer that several waited for broke off")
    }
}

impl Error for Broken {}
