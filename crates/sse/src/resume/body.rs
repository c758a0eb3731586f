use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{
    BoxError, End, Follower, Next, Store,
    opening::{Cause, Opened, Opening},
};

pin_project! {
    /// The inner service's body, or what follows a stream that is kept.
    ///
    /// Its errors are those of the inner body, [`BrokenOff`] and [`Overtaken`].
    ///
    /// # Cancel safety
    ///
    /// Dropped, it drops the inner body, if that is not an event stream with ids of ours; such a stream it follows no longer.
    pub struct ResumeBody<B, St: Store> {
        #[pin]
        kind: Kind<B, St::Recorder, St::Follower>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<B, R, F> {
        Passing { #[pin] body: B },
        Opening { opening: Opening<B, R> },
        Following { follower: F, cause: Option<Cause> },
        // After these pieces.
        Own { body: Pin<Box<B>>, pieces: [Bytes; 2] },
        Rest { bytes: Bytes, trailers: Option<Frame<Bytes>> },
    }
}

impl<B, St: Store> ResumeBody<B, St> {
    pub(super) fn passing(body: B) -> Self {
        Self { kind: Kind::Passing { body } }
    }

    pub(super) fn opening(opening: Opening<B, St::Recorder>) -> Self {
        Self { kind: Kind::Opening { opening } }
    }

    pub(super) fn following(follower: St::Follower) -> Self {
        Self { kind: Kind::Following { follower, cause: None } }
    }

    pub(super) fn made(bytes: Bytes) -> Self {
        Self { kind: Kind::Rest { bytes, trailers: None } }
    }
}

impl<B, St> Body for ResumeBody<B, St>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    St: Store,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut kind = self.project().kind;
        loop {
            match kind.as_mut().project() {
                KindProjection::Passing { body } => {
                    return body.poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(Into::into)));
                }
                KindProjection::Opening { opening } => {
                    let next = match ready!(opening.poll(cx)) {
                        Opened::Between(bytes) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                        // Nothing comes after it.
                        Opened::Failed(error) => return Poll::Ready(Some(Err(error))),
                        Opened::Own(body, pieces) => Kind::Own { body, pieces },
                        Opened::Followed(follower, cause) => Kind::Following { follower, cause: Some(cause) },
                        Opened::Over(bytes, trailers) => Kind::Rest { bytes, trailers },
                    };
                    kind.set(next);
                }
                KindProjection::Following { follower, cause } => {
                    let end = match ready!(follower.poll_next(cx)) {
                        Next::Bytes(bytes) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                        Next::End(End::Complete(trailers)) => Ok(trailers.map(Frame::trailers)),
                        Next::End(End::Broken) => {
                            let cause = cause.take().and_then(|cause| cause.take());
                            Err(cause.unwrap_or_else(|| BrokenOff.into()))
                        }
                        Next::Overtaken => Err(Overtaken.into()),
                    };
                    // Who has it all follows no longer.
                    let rest = |trailers| Kind::Rest { bytes: Bytes::new(), trailers };
                    match end {
                        Ok(trailers) => kind.set(rest(trailers)),
                        Err(error) => {
                            kind.set(rest(None));
                            return Poll::Ready(Some(Err(error)));
                        }
                    }
                }
                KindProjection::Own { body, pieces } => {
                    for piece in pieces {
                        if !piece.is_empty() {
                            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(piece)))));
                        }
                    }
                    let polled = body.as_mut().poll_frame(cx);
                    return polled.map(|frame| frame.map(|frame| frame.map_err(Into::into)));
                }
                KindProjection::Rest { bytes, trailers } => {
                    if !bytes.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes)))));
                    }
                    return Poll::Ready(trailers.take().map(Ok));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Passing { body } => body.is_end_stream(),
            Kind::Opening { opening } => opening.has_failed(),
            Kind::Following { follower, .. } => follower.is_over(),
            Kind::Own { body, pieces } => pieces.iter().all(Bytes::is_empty) && body.is_end_stream(),
            Kind::Rest { bytes, trailers } => bytes.is_empty() && trailers.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Passing { body } => body.size_hint(),
            Kind::Rest { bytes, .. } => SizeHint::with_exact(bytes.len() as u64),
            // Nobody knows how many ids there will be.
            Kind::Opening { .. } | Kind::Following { .. } | Kind::Own { .. } => SizeHint::default(),
        }
    }
}

impl<B: fmt::Debug, St: Store> fmt::Debug for ResumeBody<B, St> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("ResumeBody");
        match &self.kind {
            Kind::Passing { body } => debug.field("passing", body).finish(),
            Kind::Opening { .. } => debug.field("follows", &"not yet").finish_non_exhaustive(),
            Kind::Following { .. } => debug.field("follows", &true).finish_non_exhaustive(),
            Kind::Own { .. } | Kind::Rest { .. } => debug.finish_non_exhaustive(),
        }
    }
}

/// A stream broke off at its upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenOff;

impl fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the stream broke off")
    }
}

impl std::error::Error for BrokenOff {}

/// A client read so slowly that what comes next for it is no longer kept, or so many came after it that it had to make
/// place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overtaken;

impl fmt::Display for Overtaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the client was too slow for what is kept of its stream, or others took its place")
    }
}

impl std::error::Error for Overtaken {}
