use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// A request's body: what was read of it to look for an answer, and what was not.
    #[derive(Debug)]
    pub struct RequestBody<B> {
        first: Bytes,
        // Gone when all of it was read.
        #[pin]
        rest: Option<B>,
    }
}

impl<B> RequestBody<B> {
    pub(crate) fn unread(body: B) -> Self {
        Self { first: Bytes::new(), rest: Some(body) }
    }

    pub(crate) fn read(first: Bytes, rest: Option<B>) -> Self {
        Self { first, rest }
    }
}

impl<B: Body> Body for RequestBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        if !this.first.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(this.first)))));
        }
        let Some(rest) = this.rest.as_pin_mut() else { return Poll::Ready(None) };
        let frame = ready!(rest.poll_frame(cx));
        Poll::Ready(
            frame.map(|frame| {
                frame.map(|frame| frame.map_data(|mut data| data.copy_to_bytes(data.remaining())))
            }),
        )
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_empty() && self.rest.as_ref().is_none_or(B::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let first = self.first.len() as u64;
        let Some(rest) = self.rest.as_ref().map(B::size_hint) else { return SizeHint::with_exact(first) };
        let mut hint = SizeHint::new();
        // The upper first: setting the lower checks that it is not above.
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(first));
        }
        hint.set_lower(rest.lower().saturating_add(first));
        hint
    }
}

/// What was read of a body.
pub(crate) enum Read {
    /// All of it.
    Whole(Bytes),
    /// As much as is looked at; the rest is still in the body.
    TooLong(Bytes),
    /// It broke off.
    Broken,
}

/// Reads a body to its end, or until more than `max_bytes` have come.
pub(crate) async fn read<B: Body + Unpin>(body: &mut B, max_bytes: usize) -> Read {
    if body.size_hint().lower() > max_bytes as u64 {
        return Read::TooLong(Bytes::new());
    }
    // One piece is the rule, and then nothing is copied.
    let (mut before, mut last) = (BytesMut::new(), Bytes::new());
    let whole = |mut before: BytesMut, last: Bytes| {
        if before.is_empty() {
            return last;
        }
        before.extend_from_slice(&last);
        before.freeze()
    };
    while !body.is_end_stream() {
        match std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await {
            Some(Ok(frame)) => {
                let Ok(mut data) = frame.into_data() else { continue };
                before.extend_from_slice(&last);
                last = data.copy_to_bytes(data.remaining());
                if before.len() + last.len() > max_bytes {
                    return Read::TooLong(whole(before, last));
                }
            }
            Some(Err(_)) => return Read::Broken,
            None => break,
        }
    }
    Read::Whole(whole(before, last))
}
