use std::time::Duration;

use dashpot_wire::sse::{Framer, Limits, Parser, Sink, TooLong};
use sse_core::{SseDecoder, SseEvent};

/// `(event, data, last event id)`
pub(crate) type Seen = (String, String, String);

/// What a parser made of a stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Parsed {
    pub(crate) events: Vec<Seen>,
    pub(crate) last_event_id: String,
    pub(crate) retry: Option<Duration>,
    pub(crate) error: Option<TooLong>,
}

pub(crate) fn parse<'c>(limits: Limits, chunks: impl IntoIterator<Item = &'c [u8]>) -> Parsed {
    let (mut parser, mut parsed) = (Parser::new(limits), Parsed::default());
    for chunk in chunks {
        let events = &mut parsed.events;
        let result = parser.push(chunk, |event| {
            events.push((event.event.into(), event.data.into(), event.last_event_id.into()));
        });
        match parsed.error {
            None => parsed.error = result.err(),
            error => assert_eq!(result.err(), error, "an error stays"),
        }
    }
    parsed.last_event_id = parser.last_event_id().into();
    parsed.retry = parser.retry();
    parsed
}

/// A sink that keeps `(event type, data)` of each event, as bytes.
#[derive(Debug, Default)]
pub(crate) struct Collect {
    pub(crate) events: Vec<(Vec<u8>, Vec<u8>)>,
    pending: Vec<u8>,
}

impl Sink for Collect {
    fn data(&mut self, piece: &[u8]) {
        assert!(!piece.is_empty());
        self.pending.extend_from_slice(piece);
    }

    fn dispatch(&mut self, event_type: &[u8]) {
        self.events.push((event_type.into(), std::mem::take(&mut self.pending)));
    }

    fn discard(&mut self) {
        assert!(self.pending.is_empty(), "a block without data gives no pieces");
    }
}

pub(crate) fn frame<'c>(chunks: impl IntoIterator<Item = &'c [u8]>) -> Collect {
    let (mut framer, mut sink) = (Framer::new(), Collect::default());
    for chunk in chunks {
        framer.push(chunk, &mut sink);
    }
    sink
}

/// `stream` cut after each count of bytes, the counts being used again and again.
pub(crate) fn cut<'c>(stream: &'c [u8], sizes: &[usize]) -> Vec<&'c [u8]> {
    let (mut rest, mut chunks) = (stream, Vec::new());
    for &size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (chunk, tail) = rest.split_at(size.min(rest.len()));
        chunks.push(chunk);
        rest = tail;
    }
    chunks
}

/// Asserts that our parser and `sse-core` give the same.
pub(crate) fn agree(chunks: &[&[u8]]) {
    let (mut ours, mut theirs) = (parse(Limits::default(), chunks.iter().copied()), reference(chunks));
    // It keeps the time to wait in 32 bits, and we in 64.
    if ours.retry.is_some_and(|wait| wait.as_millis() > u32::MAX.into()) {
        (ours.retry, theirs.retry) = (None, None);
    }
    assert_eq!(ours, theirs);
}

/// What `sse-core` makes of the stream.
fn reference(chunks: &[&[u8]]) -> Parsed {
    let (mut decoder, mut parsed) = (SseDecoder::new(), Parsed::default());
    for chunk in chunks {
        let mut rest = *chunk;
        while let Some(event) = decoder.next(&mut rest) {
            match event.expect("below its limit") {
                SseEvent::Message(message) => parsed.events.push((
                    message.event.into_owned(),
                    message.data,
                    message.last_event_id.as_deref().unwrap_or_default().into(),
                )),
                SseEvent::Retry(millis) => {
                    parsed.retry = Some(Duration::from_millis(millis.into()));
                }
            }
        }
    }
    parsed.last_event_id = decoder.last_event_id().map(|id| id.to_string()).unwrap_or_default();
    parsed
}
