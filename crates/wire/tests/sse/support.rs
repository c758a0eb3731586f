use std::time::Duration;

use dashpot_wire::sse::{Framer, Limits, Parser, Sink, TooLong};
use proptest::prelude::*;

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

/// Bytes that are mostly an event stream, and chunk sizes, not all of them zero.
pub(crate) fn stream_and_sizes() -> impl Strategy<Value = (Vec<u8>, Vec<usize>)> {
    let token = prop_oneof![
        8 => prop::sample::select(vec![
            &b"data"[..], b"data:", b"data: ", b"event:", b"event: ", b"event", b"id: ", b"id:", b"id", b"retry: ",
            b"retry:", b":", b" ", b"dat", b"even", b"i", b"Data: ", b"message", b"\xef\xbb\xbf", b"\xef", b"\xbb",
        ]),
        8 => prop::sample::select(vec![&b"\n"[..], b"\r", b"\r\n", b"\n\n", b"\r\r", b"\r\n\r\n", b"\n\r"]),
        2 => prop::sample::select(vec![&b"7"[..], b"007", b"4294967295", b"\0", b"\t", b"\xff", b"\xc3", "\u{fffd}".as_bytes()]),
    ];
    let token =
        prop_oneof![9 => token.prop_map(<[u8]>::to_vec), 1 => prop::collection::vec(any::<u8>(), 0..12)];
    let sizes = prop::collection::vec(0_usize..9, 1..5)
        .prop_filter("no chunk has a byte", |sizes| sizes.iter().any(|&size| size > 0));
    (prop::collection::vec(token, 0..40).prop_map(|tokens| tokens.concat()), sizes)
}
