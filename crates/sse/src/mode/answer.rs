use std::{
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use dashpot_body::Timer;
use dashpot_core::{BodyReport, Outcome, Rejection};
use dashpot_wire::{
    dialect::{Dialect, StreamReader},
    modes::{Collect, CollectError, expand},
    sse::Sink,
};
use http::{HeaderValue, Response, StatusCode, header, response::Parts};
use http_body::Body;

use super::{Mode, ModeLayer};
use crate::{head, pieces::Pieces, watch::now};

/// When a stream has said that it is complete, so many more frames are taken, for so long: its end most of all, since a
/// connection whose body was not read to the end cannot serve another request. Servers send it a moment later.
const FRAMES_AFTER: u8 = 8;
const TIME_AFTER: Duration = Duration::from_millis(10);

/// A stream may be so many times as long as the whole answer may be: a response's stream says each text five times.
const STREAM_BYTES: usize = 8;

/// What is wanted of an answer.
pub(super) struct Wanted {
    pub(super) mode: Mode,
    pub(super) dialect: Dialect,
    pub(super) include_usage: bool,
    pub(super) layer: ModeLayer,
}

impl Wanted {
    /// What is made of an answer with this head; `None` if it passes as it is.
    fn made_of(&self, head: &Parts) -> Option<Made> {
        if head.status != StatusCode::OK || head::is_encoded(&head.headers) {
            return None;
        }
        match self.mode {
            Mode::Whole if head::is_event_stream(&head.headers) => {
                let collect = Collect::new(self.dialect, self.layer.rules.max_bytes);
                collect.map(|collect| Made::Whole(Box::new(collect)))
            }
            Mode::Stream if head::is_json(&head.headers) => Some(Made::Stream(Pieces::default())),
            _ => None,
        }
    }
}

/// What an answer is made into.
enum Made {
    Whole(Box<Collect>),
    Stream(Pieces),
}

/// An answer that comes in the mode that was not wanted, until it is there.
pub(super) struct Held<B> {
    head: Parts,
    body: B,
    made: Made,
    /// Frames since a stream has said that it is complete.
    after: u8,
    /// Until when its end is waited for.
    until: Option<Instant>,
    timer: Timer,
    wanted: Wanted,
}

impl<B: Body<Data = Bytes> + Unpin> Held<B> {
    /// `Err` gives the answer back if it passes as it is.
    pub(super) fn hold(wanted: Wanted, answer: Response<B>) -> Result<Self, Response<B>> {
        let (head, body) = answer.into_parts();
        match wanted.made_of(&head) {
            Some(made) => {
                Ok(Self { head, body, made, after: 0, until: None, timer: Timer::default(), wanted })
            }
            None => Err(Response::from_parts(head, body)),
        }
    }

    /// Ready when all of it has come, or cannot come.
    pub(super) fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CollectError>> {
        while !self.body.is_end_stream() && self.after < FRAMES_AFTER {
            let polled = Pin::new(&mut self.body).poll_frame(cx);
            let is_complete = matches!(&self.made, Made::Whole(collect) if collect.is_complete());
            if is_complete {
                self.after += 1;
            }
            match polled {
                Poll::Pending if is_complete => {
                    let until = *self.until.get_or_insert_with(|| now() + TIME_AFTER);
                    return self.timer.poll(until, cx).map(Ok);
                }
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data()
                        && let Err(error) = self.push(data)
                    {
                        return Poll::Ready(Err(error));
                    }
                }
                Poll::Ready(Some(Err(_))) if !is_complete => {
                    return Poll::Ready(Err(CollectError::Truncated));
                }
                Poll::Ready(Some(Err(_)) | None) => break,
            }
        }
        Poll::Ready(Ok(()))
    }

    fn push(&mut self, data: Bytes) -> Result<(), CollectError> {
        let max = self.wanted.layer.rules.max_bytes;
        match &mut self.made {
            Made::Whole(collect) => collect.push(&data),
            Made::Stream(pieces) if data.len() > max - pieces.len() => Err(CollectError::TooLarge(max)),
            Made::Stream(pieces) => {
                pieces.push(data);
                Ok(())
            }
        }
    }

    /// The answer in the other mode, of what has come.
    pub(super) fn answer(self, came: Result<(), CollectError>) -> Response<Bytes> {
        let Self { mut head, body, made, wanted, .. } = self;
        // The upstream first: whatever else it has to say, nobody will hear it.
        drop(body);
        let Wanted { dialect, include_usage, layer, .. } = wanted;
        let counters = &layer.counters;
        let made = came.and_then(|()| match made {
            Made::Whole(collect) => collect.finish().map(|answer| {
                counters.collected();
                (answer.to_string(), "application/json")
            }),
            Made::Stream(pieces) => {
                let max = layer.rules.max_bytes.saturating_mul(STREAM_BYTES);
                said(dialect, &pieces.into_bytes(), include_usage, max).map(|stream| {
                    counters.expanded();
                    (stream, "text/event-stream")
                })
            }
        });
        let (words, kind) = made.unwrap_or_else(|error| {
            counters.failed();
            let (status, words) = error.response(dialect);
            tracing::debug!(%error, status, dialect = dialect.name(), "an answer cannot be given in the other mode");
            head.status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
            // It is there if a layer further in reads the body. What it has said of a body that was dropped says less.
            head.extensions.get_or_insert_default::<BodyReport>().set_outcome(error.outcome());
            // To those who go by the status it would be the failure of the upstream.
            if let CollectError::TooLarge(_) = error {
                let rejection = Rejection::new("mode", "the upstream's answer is longer than is allowed");
                head.extensions.insert(rejection.with_status(head.status));
            }
            (words, "application/json")
        });
        head::forget_body(&mut head.headers);
        head.headers.insert(header::CONTENT_LENGTH, words.len().into());
        head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        Response::from_parts(head, words.into())
    }
}

/// A whole answer as a stream.
fn said(
    dialect: Dialect,
    answer: &[u8],
    include_usage: bool,
    max_bytes: usize,
) -> Result<String, CollectError> {
    let unreadable = |why| CollectError::Unreadable(why);
    let value = serde_json::from_slice(answer).map_err(|_| unreadable("the answer is not JSON"))?;
    match expand(dialect, &value, include_usage, max_bytes) {
        Ok(stream) => String::from_utf8(stream).map_err(|_| unreadable("the answer is not UTF-8")),
        Err(error) if error.is_too_long() => Err(CollectError::TooLarge(max_bytes)),
        Err(_) => Err(match error(dialect, answer) {
            Some(outcome) => CollectError::Upstream { outcome, data: value.to_string() },
            None => unreadable("the answer is not one of this API"),
        }),
    }
}

/// What a whole answer says of an error.
fn error(dialect: Dialect, answer: &[u8]) -> Option<Outcome> {
    let mut reader = StreamReader::new(Some(dialect));
    reader.data(answer);
    reader.dispatch(b"");
    reader.error()
}
