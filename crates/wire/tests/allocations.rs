//! Watching a stream allocates nothing, however it is cut, and reading one allocates nothing per event.
//!
//! In a file of its own: the counting allocator is the whole program's.

use allocation_counter::measure;
use dashpot_wire::sse::{Framer, Message, Parser, Sink};

struct Count(u64);

impl Sink for Count {
    fn data(&mut self, _: &[u8]) {}

    fn dispatch(&mut self, _: &[u8]) {
        self.0 += 1;
    }
}

fn stream(events: usize) -> Vec<u8> {
    let mut out = b"\xef\xbb\xbf: hello\r\n".to_vec();
    for n in 0..events {
        let data = format!("{{\"n\": {n}, \"text\": \"{}\"}}\nsecond line", "\u{e4}".repeat(n % 300));
        Message { event: "delta", id: Some(&n.to_string()), data: &data }
            .write(&mut out)
            .expect("names of one line");
    }
    out
}

const SIZES: [usize; 7] = [1, 2, 3, 7, 128, 1400, usize::MAX];

#[test]
fn the_framer_never_allocates() {
    let stream = stream(500);
    for size in SIZES {
        let mut sink = Count(0);
        let info = measure(|| {
            let mut framer = Framer::new();
            for chunk in stream.chunks(size) {
                framer.push(chunk, &mut sink);
            }
        });
        assert_eq!((info.count_total, sink.0), (0, 500), "in chunks of {size}");
    }
}

#[test]
fn the_parser_allocates_only_until_its_buffers_fit() {
    let stream = stream(500);
    for size in SIZES {
        let (mut parser, mut events) = (Parser::default(), 0);
        let mut read = |stream: &[u8]| {
            for chunk in stream.chunks(size) {
                parser.push(chunk, |_| events += 1).unwrap();
            }
        };
        read(&stream);
        let info = measure(|| read(&stream));
        assert_eq!((info.count_total, events), (0, 1000), "in chunks of {size}");
    }
}

#[test]
fn the_parser_never_keeps_more_than_its_limits() {
    let limits = dashpot_wire::sse::Limits { max_line: 1000, max_event: 3000 };
    let mut stream = b"data: ".to_vec();
    stream.resize(900, b'x');
    stream.push(b'\n');
    let info = measure(|| {
        let mut parser = Parser::new(limits);
        while parser.push(&stream, |_| {}).is_ok() {}
    });
    // A buffer that grows lives beside its successor for a moment.
    assert!(info.bytes_max <= 2 * 3000, "{}", info.bytes_max);
}

#[test]
fn what_is_not_utf8_takes_up_to_three_times_as_much() {
    let limits = dashpot_wire::sse::Limits { max_line: 1000, max_event: 3000 };
    let mut stream = Vec::new();
    for _ in 0..4 {
        for (field, count) in [("id: ", 1000), ("event: ", 1000), ("data: ", 1000), ("data: ", 1000)] {
            stream.extend_from_slice(field.as_bytes());
            stream.resize(stream.len() + count, 0xff);
            stream.push(b'\n');
        }
        stream.push(b'\n');
    }
    for size in [7, usize::MAX] {
        let info = measure(|| {
            let mut parser = Parser::new(limits);
            stream.chunks(size).for_each(|chunk| parser.push(chunk, |_| {}).unwrap());
        });
        // Kept: data, type, value, two ids. During the call: data and type once more, in a string that grows.
        let (kept, call) = (3000 + 2 * 1000 + 2 * 3 * 1000, 3 * (3000 + 1000));
        assert!(info.bytes_max <= kept + 2 * call, "{} in chunks of {size}", info.bytes_max);
    }
}
