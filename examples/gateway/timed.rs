//! Notes the time between the pieces of a stream.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use dashpot::core::BodyReport;
use http::{Response, header};
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use crate::seen::Seen;

/// The same answer, with the time between its pieces noted if it is a stream that somebody further in understands.
pub(crate) fn timed<B>(answer: Response<B>, seen: &Arc<Seen>) -> Response<Timed<B>> {
    let kind = answer.headers().get(header::CONTENT_TYPE).map(|kind| kind.as_bytes());
    let is_stream =
        kind.and_then(|kind| kind.get(..STREAM.len())).is_some_and(|kind| kind.eq_ignore_ascii_case(STREAM));
    let report = answer.extensions().get().filter(|_| is_stream).cloned();
    let pace = report.map(|report| Pace { report, last: None, seen: seen.clone() });
    answer.map(|body| Timed { body, pace })
}

const STREAM: &[u8] = b"text/event-stream";

/// A body whose pieces are timed from its first content on.
#[derive(Debug)]
pub(crate) struct Timed<B> {
    body: B,
    pace: Option<Pace>,
}

#[derive(Debug)]
struct Pace {
    report: BodyReport,
    last: Option<Instant>,
    seen: Arc<Seen>,
}

impl<B: Body<Data = Bytes> + Unpin> Body for Timed<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let polled = ready!(Pin::new(&mut self.body).poll_frame(cx));
        let is_data = matches!(&polled, Some(Ok(frame)) if frame.is_data());
        // Before its first content a stream is not late: that is another clock.
        if let Some(pace) = self.pace.as_mut().filter(|pace| is_data && pace.report.first_content().is_some())
        {
            let now = Instant::now();
            if let Some(last) = pace.last.replace(now) {
                pace.seen.gap(now.saturating_duration_since(last));
            }
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
