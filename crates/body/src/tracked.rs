use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Buf;
use http::{HeaderMap, StatusCode, header::CONTENT_LENGTH, response::Parts};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::{Asked, End};

pin_project! {
    /// A body that knows how it ended, or would have ended if it were dropped now.
    ///
    /// To wait for `None` is not enough, since a server does not poll that far: hyper stops at trailers, once
    /// `is_end_stream` is true, and at the stated length. Frames, `size_hint` and `is_end_stream` are those of the inner
    /// body. After `None` or an error the inner body is not polled again.
    #[derive(Debug)]
    pub struct Tracked<B> {
        #[pin]
        body: B,
        // What is missing to the stated length.
        missing: Option<u64>,
        end: Option<End>,
        // Not to be polled again: it gave `None` or an error, or panicked.
        over: bool,
        // The head says that it is not sent, and nobody has polled it.
        unsent: bool,
    }
}

impl<B: Body> Tracked<B> {
    /// Tracks `body`, whose length is stated if its size hint is exact.
    pub fn new(body: B) -> Self {
        let missing = body.size_hint().exact();
        let end = body.is_end_stream().then_some(End::Complete);
        Self { body, missing, end, over: false, unsent: false }
    }

    /// Tracks the body of an answer with this head, to a request that `asked` so.
    ///
    /// Beyond [`new`](Self::new) it knows what the head says: `Content-Length` states the length of a body that has no
    /// size hint, and a body that [is not sent](is_bodiless) is complete when it is dropped without a poll.
    pub fn answer(body: B, asked: impl Into<Asked>, head: &Parts) -> Self {
        let mut tracked = Self::new(body);
        if is_bodiless(asked, head.status) {
            // Its stated length is that of another body.
            (tracked.missing, tracked.unsent) = (None, true);
        } else if tracked.missing.is_none() {
            tracked.missing = content_length(&head.headers);
        }
        tracked
    }

    /// How the body ended; `None` while it has not.
    ///
    /// Known once the frame that ends it was polled, before that frame goes on.
    #[must_use]
    pub fn end(&self) -> Option<End> {
        self.end
    }

    /// How the body will have ended if it is dropped now.
    #[must_use]
    pub fn end_if_dropped(&self) -> End {
        match self.end {
            Some(end) => end,
            // Panicked: whatever the body would say now is not to be trusted, and `Drop` may be asking.
            None if self.over => End::Dropped,
            None if self.unsent => End::Complete,
            // At the stated length nobody polls on. Or the end was seen only after the last poll: an HTTP/2 body that turns
            // out to be empty between its head and its first poll is never polled.
            None if self.missing == Some(0) || self.body.is_end_stream() => End::Complete,
            None => End::Dropped,
        }
    }
}

impl<B: Body> Body for Tracked<B> {
    type Data = B::Data;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        if *this.over {
            return Poll::Ready(None);
        }
        *this.over = true;
        *this.unsent = false;
        let polled = this.body.as_mut().poll_frame(cx);
        *this.over = matches!(polled, Poll::Ready(None | Some(Err(_))));

        let polled = ready!(polled);
        let end = match &polled {
            Some(Ok(frame)) => {
                if let (Some(missing), Some(data)) = (this.missing, frame.data_ref()) {
                    *missing = missing.saturating_sub(data.remaining() as u64);
                }
                (frame.is_trailers() || this.body.is_end_stream()).then_some(End::Complete)
            }
            Some(Err(_)) => Some(End::Error),
            None if this.missing.is_some_and(|missing| missing > 0) => Some(End::Error),
            None => Some(End::Complete),
        };
        *this.end = this.end.or(end);
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Whether an answer with this status, to a request that `asked` so, has no body whatever its headers say (RFC 9112,
/// section 6.3). Hyper drops the body that it is given unread over HTTP/1, but over HTTP/2 it reads it all the same.
///
/// So it is for a protocol upgrade (101, or 2xx to CONNECT): the connection that begins there is not a body.
#[must_use]
pub fn is_bodiless(asked: impl Into<Asked>, status: StatusCode) -> bool {
    let asked = asked.into();
    asked == Asked::Head
        || status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        || asked == Asked::Connect && status.is_success()
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
