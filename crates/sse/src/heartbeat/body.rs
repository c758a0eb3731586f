use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::Bytes;
use dashpot_body::Timer;
use dashpot_core::BodyReport;
use dashpot_wire::sse::{Framer, Sink};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{HeartbeatHandle, mark::Mark};
use crate::watch::now;

/// The blank line is for those who read block by block; to a reader by the standard it is nothing.
const COMMENT: &[u8] = b": keep-alive\n\n";

/// Where events have ids, readers that remember the last one give an event without data for a blank line that follows no
/// field; OpenAI's and Anthropic's SDKs and httpx-sse are such. There the comment is the next block's first line.
const AMONG_IDS: &[u8] = b": keep-alive\n";

/// After a CR, whose LF may still come and would be a blank line: here it belongs to the comment.
const AMONG_IDS_AFTER_CR: &[u8] = b": keep-alive\r";

pin_project! {
    /// The inner service's body, with a comment in it whenever nothing has come for a while, if it is an event stream.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it drops the inner body.
    pub struct HeartbeatBody<B> {
        #[pin]
        body: B,
        // None where there is no room for a comment, or no more.
        beat: Option<Beat>,
    }
}

impl<B> HeartbeatBody<B> {
    pub(super) fn new(body: B, beat: Option<Beat>) -> Self {
        Self { body, beat }
    }
}

impl<B: Body<Data = Bytes>> Body for HeartbeatBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        let polled = this.body.poll_frame(cx);
        let Some(beat) = this.beat else { return polled };
        match polled {
            Poll::Pending => {
                ready!(beat.poll_due(cx));
                let comment = match beat.ids.0 {
                    false => COMMENT,
                    true if beat.is_after_cr => AMONG_IDS_AFTER_CR,
                    true => AMONG_IDS,
                };
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(comment)))))
            }
            Poll::Ready(Some(Ok(frame))) if frame.is_data() => {
                Poll::Ready(Some(Ok(frame.map_data(|data| beat.pass(data)))))
            }
            // After trailers nothing can be put in.
            Poll::Ready(last) => {
                *this.beat = None;
                Poll::Ready(last)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        // What will be put in nobody knows.
        if self.beat.is_some() { SizeHint::default() } else { self.body.size_hint() }
    }
}

impl<B: fmt::Debug> fmt::Debug for HeartbeatBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeartbeatBody")
            .field("body", &self.body)
            .field("beats", &self.beat.is_some())
            .finish()
    }
}

/// When the next comment is due.
pub(super) struct Beat {
    every: Duration,
    handle: HeartbeatHandle,
    report: Option<BodyReport>,
    framer: Framer,
    ids: Ids,
    is_after_cr: bool,
    mark: Mark,
    timer: Timer,
    /// Since when nothing has come. The clock is read only when there is something to wait for.
    idle_since: Option<Instant>,
}

impl Beat {
    pub(super) fn new(every: Duration, handle: HeartbeatHandle, report: Option<BodyReport>) -> Self {
        Self {
            every,
            handle,
            report,
            framer: Framer::new(),
            ids: Ids(false),
            is_after_cr: false,
            mark: Mark::Unknown,
            timer: Timer::default(),
            idle_since: None,
        }
    }

    #[inline]
    fn pass(&mut self, data: Bytes) -> Bytes {
        if data.is_empty() {
            return data;
        }
        self.idle_since = None;
        self.framer.push(&data, &mut self.ids);
        self.is_after_cr = data.ends_with(b"\r");
        self.mark.pass(data)
    }

    fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let is_over = self.report.as_ref().is_some_and(|report| report.outcome().is_some());
        if is_over || !self.framer.at_boundary() {
            // What ends the wait for a boundary is another frame.
            return Poll::Pending;
        }
        let since = *self.idle_since.get_or_insert_with(now);
        // A time that cannot be told never comes.
        let Some(at) = since.checked_add(self.every) else { return Poll::Pending };
        ready!(self.timer.poll(at, cx));
        self.idle_since = None;
        self.mark.put_in();
        self.handle.count();
        Poll::Ready(())
    }
}

/// Whether there was an id; else only where events begin and end matters.
struct Ids(bool);

impl Sink for Ids {
    fn data(&mut self, _: &[u8]) {}

    fn dispatch(&mut self, _: &[u8]) {}

    fn id(&mut self) {
        self.0 = true;
    }
}
