//! Watching a stream allocates nothing, however it is cut, and reading one allocates nothing per event.
//!
//! In a file of its own: the counting allocator is the whole program's.

use allocation_counter::measure;
use dashpot_wire::{
    dialect::Dialect,
    modes::Collect,
    sse::{Framer, Message, Parser, Sink},
};

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

#[test]
fn what_is_collected_takes_no_more_memory_than_it_may() {
    const MAX: usize = 1 << 20;
    type Next<'a> = &'a dyn Fn(usize) -> String;
    let message = r#"{"type":"message_start","message":{}}"#;
    let delta = |delta: String| format!(r#"{{"choices":[{{"index":0,"delta":{delta}}}]}}"#);
    let keys = |n: usize| (0..n).map(|key| format!(r#""{key}":0"#)).collect::<Vec<_>>().join(",");
    // What comes first, and then one event after the other.
    let cases: [(Dialect, &str, Next<'_>); 12] = [
        (Dialect::OpenAiChat, "", &|_| delta(r#"{"content":"some text"}"#.into())),
        (Dialect::OpenAiChat, "", &|_| delta(r#"{"list":[{}]}"#.into())),
        (Dialect::OpenAiChat, "", &|_| delta(r#"{"list":[{"a":""},{"b":[[]]}]}"#.into())),
        (Dialect::OpenAiChat, "", &|n| delta(format!(r#"{{"{n}":null}}"#))),
        (Dialect::OpenAiChat, "", &|n| {
            delta(format!(r#"{{"x":{{"{}":[]}}}}"#, n.wrapping_mul(2_654_435_769)))
        }),
        (Dialect::OpenAiChat, "", &|n| delta(format!(r#"{{"tool_calls":[{{"index":{n}}}]}}"#))),
        (Dialect::OpenAiChat, "", &|n| format!(r#"{{"{n}":0}}"#)),
        (Dialect::OpenAiChat, "", &|n| format!(r#"{{"choices":[{{"index":{n}}}]}}"#)),
        (Dialect::OpenAiChat, "", &|n| {
            format!(r#"{{"choices":[{{"index":{n},"delta":{{"a":{{"b":[]}}}}}}]}}"#)
        }),
        (Dialect::OpenAiResponses, "", &|n| {
            format!(r#"{{"type":"response.output_item.done","output_index":{n},"item":{{"a":1}}}}"#)
        }),
        (Dialect::AnthropicMessages, message, &|n| {
            format!(r#"{{"type":"content_block_start","index":{n},"content_block":{{{}}}}}"#, keys(n % 23))
        }),
        (Dialect::AnthropicMessages, message, &|n| {
            format!(r#"{{"type":"message_delta","delta":{{"{n}":""}}}}"#)
        }),
    ];
    for (dialect, first, next) in cases {
        let mut collect = None;
        let info = measure(|| {
            let mut collecting = Collect::new(dialect, MAX).expect("one of the three");
            collecting.push(format!("data: {first}\n\n").as_bytes()).expect("there is room");
            let full = |n| collecting.push(format!("data: {}\n\n", next(n)).as_bytes()).is_err();
            assert!((0..).any(full));
            collect = Some(collecting);
        });
        let bytes = info.bytes_current as usize;
        // A text that grows keeps as much again in reserve.
        let most = if next(1).contains("some text") { 2 * MAX } else { MAX };
        assert!(bytes < most, "{bytes} bytes for {}", next(1));
    }
}
