use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The inner service's body, from its first byte on; or the words of the error that it began with.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it drops the inner body.
    pub struct PeekFirstBody<B>
    where
        B: Body,
    {
        // What was held.
        first: Bytes,
        // What came in its place or after it, and ends the body. Boxed: it is rare, and large.
        last: Option<Box<Result<Frame<Bytes>, B::Error>>>,
        // Gone when it is over.
        #[pin]
        rest: Option<B>,
    }
}

impl<B: Body> PeekFirstBody<B> {
    pub(super) fn new(first: Bytes, last: Option<Result<Frame<Bytes>, B::Error>>, rest: Option<B>) -> Self {
        Self { first, last: last.map(Box::new), rest }
    }

    pub(super) fn unheld(body: B) -> Self {
        Self { first: Bytes::new(), last: None, rest: Some(body) }
    }
}

impl<B: Body<Data = Bytes>> Body for PeekFirstBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        if !this.first.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(this.first)))));
        }
        if let Some(last) = this.last.take() {
            return Poll::Ready(Some(*last));
        }
        match this.rest.as_pin_mut() {
            Some(rest) => rest.poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_empty() && self.last.is_none() && self.rest.as_ref().is_none_or(B::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let held = self.first.len() as u64;
        let Some(rest) = self.rest.as_ref().map(B::size_hint) else { return SizeHint::with_exact(held) };
        let mut hint = SizeHint::new();
        // The upper first: setting the lower checks that it is not above.
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(held));
        }
        hint.set_lower(rest.lower().saturating_add(held));
        hint
    }
}

impl<B: Body + fmt::Debug> fmt::Debug for PeekFirstBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeekFirstBody")
            .field("first", &self.first)
            .field("rest", &self.rest)
            .finish_non_exhaustive()
    }
}
