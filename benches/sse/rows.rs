//! What is measured: each row reads all chunks and says how many events it saw.

use dashpot_wire::{
    dialect::StreamReader,
    sse::{Framer, Parser, Sink},
};
use std::hint::black_box;

use crate::corpus::Chunks;

pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) read: fn(&Chunks) -> u64,
    /// It counts line ends and not events.
    pub(crate) counts_lines: bool,
}

const fn row(name: &'static str, read: fn(&Chunks) -> u64) -> Row {
    Row { name, read, counts_lines: false }
}

pub(crate) const ROWS: &[Row] = &[
    Row { name: "limit: memchr2", read: line_scan, counts_lines: true },
    row("Framer", framer),
    row("Framer and StreamReader", framer_and_reader),
    row("Parser", parser),
    #[cfg(feature = "peers")]
    row("sse-core", peers::sse_core),
    #[cfg(feature = "peers")]
    row("sse-stream", peers::sse_stream),
    #[cfg(feature = "peers")]
    row("sseer", peers::sseer),
    #[cfg(feature = "peers")]
    row("eventsource-stream", peers::eventsource_stream),
];

fn line_scan(chunks: &Chunks) -> u64 {
    let mut lines = 0;
    for chunk in chunks.streams.iter().flat_map(|(_, chunks)| *chunks) {
        for end in memchr::memchr2_iter(b'\n', b'\r', chunk) {
            black_box(end);
            lines += 1;
        }
    }
    lines
}

fn framer(chunks: &Chunks) -> u64 {
    struct Count(u64);
    impl Sink for Count {
        fn data(&mut self, piece: &[u8]) {
            black_box(piece);
        }

        fn dispatch(&mut self, event_type: &[u8]) {
            black_box(event_type);
            self.0 += 1;
        }
    }
    let mut count = Count(0);
    for (_, chunks) in &chunks.streams {
        let mut framer = Framer::new();
        for chunk in *chunks {
            framer.push(chunk, &mut count);
        }
    }
    count.0
}

fn framer_and_reader(chunks: &Chunks) -> u64 {
    let mut events = 0;
    for (dialect, chunks) in &chunks.streams {
        let (mut framer, mut reader) = (Framer::new(), StreamReader::new(Some(*dialect)));
        for chunk in *chunks {
            framer.push(chunk, &mut reader);
        }
        assert!(reader.has_content());
        events += reader.events();
    }
    events
}

fn parser(chunks: &Chunks) -> u64 {
    let mut events = 0;
    for (_, chunks) in &chunks.streams {
        let mut parser = Parser::default();
        for chunk in *chunks {
            let read = parser.push(chunk, |event| {
                black_box(event);
                events += 1;
            });
            read.expect("within the limits");
        }
    }
    events
}

#[cfg(feature = "peers")]
mod peers {
    use std::{
        convert::Infallible,
        hint::black_box,
        iter,
        pin::pin,
        slice,
        task::{Context, Poll, Waker},
    };

    use bytes::Bytes;
    use eventsource_stream::Eventsource;
    use futures_util::{Stream, stream};

    use crate::corpus::Chunks;

    pub(super) fn sse_core(chunks: &Chunks) -> u64 {
        let mut events = 0;
        for (_, chunks) in &chunks.streams {
            let mut decoder = sse_core::SseDecoder::new();
            for chunk in *chunks {
                let mut rest = *chunk;
                while let Some(event) = decoder.next(&mut rest) {
                    black_box(event.expect("nothing is wrong with the corpus"));
                    events += 1;
                }
            }
        }
        events
    }

    pub(super) fn sse_stream(chunks: &Chunks) -> u64 {
        drain(chunks, sse_stream::SseByteStream::new)
    }

    pub(super) fn sseer(chunks: &Chunks) -> u64 {
        drain(chunks, sseer::event_stream::EventStream::new)
    }

    pub(super) fn eventsource_stream(chunks: &Chunks) -> u64 {
        drain(chunks, Eventsource::eventsource)
    }

    fn drain<S, T, E>(chunks: &Chunks, parse: impl Fn(InMemory) -> S) -> u64
    where
        S: Stream<Item = Result<T, E>>,
        E: std::fmt::Debug,
    {
        let mut cx = Context::from_waker(Waker::noop());
        let mut events = 0;
        for (_, chunks) in &chunks.streams {
            let mut parsed = pin!(parse(stream::iter(chunks.iter().map(always_ready as fn(&_) -> _))));
            while let Poll::Ready(Some(event)) = parsed.as_mut().poll_next(&mut cx) {
                black_box(event.expect("nothing is wrong with the corpus"));
                events += 1;
            }
        }
        events
    }

    type InMemory = stream::Iter<iter::Map<slice::Iter<'static, &'static [u8]>, fn(&&'static [u8]) -> Chunk>>;
    type Chunk = Result<Bytes, Infallible>;

    fn always_ready(chunk: &&'static [u8]) -> Chunk {
        Ok(Bytes::from_static(chunk))
    }
}
