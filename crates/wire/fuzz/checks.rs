//! What holds for any bytes: the fuzz targets, and `tests/seeds.rs` for the seeds.
#![allow(dead_code, reason = "a target uses one of them")]

#[path = "../tests/sse/support.rs"]
mod support;

use dashpot_wire::{
    dialect::{Dialect, StreamReader},
    modes::{Collect, CollectError, expand},
    sse::{Framer, Limits},
};
use serde::de::IgnoredAny;
use serde_json::Value;
use support::{agree, cut, frame, parse};

const DIALECTS: [Dialect; 6] = [
    Dialect::OpenAiChat,
    Dialect::OpenAiResponses,
    Dialect::OpenAiCompletions,
    Dialect::OpenAiEmbeddings,
    Dialect::AnthropicMessages,
    Dialect::Gemini,
];

/// Cuts of a stream: every byte alone, and two that depend on the bytes, so that a fuzzer varies them.
fn cuts(stream: &[u8]) -> [Vec<&[u8]>; 3] {
    let size = |at: usize| stream.get(at).map_or(1, |&byte| usize::from(byte) % 11);
    let middle = stream.len() / 2;
    [cut(stream, &[1]), cut(stream, &[size(0), size(middle), 5]), cut(stream, &[size(1) + 1])]
}

pub(crate) fn framer(stream: &[u8]) {
    let whole = frame([stream]).events;
    let parsed = parse(Limits::default(), [stream]).events;
    let datas = |events: &[(Vec<u8>, Vec<u8>)]| {
        events.iter().map(|(_, data)| String::from_utf8_lossy(data).into_owned()).collect::<Vec<_>>()
    };
    assert_eq!(datas(&whole), parsed.iter().map(|(_, data, _)| data.clone()).collect::<Vec<_>>());
    for chunks in cuts(stream) {
        assert_eq!(frame(chunks).events, whole);
    }
    // The first boundary in the second half, since all of them would take too long.
    let (mut framer, mut sink) = (Framer::new(), support::Collect::default());
    let boundary = (1..=stream.len()).find(|&at| {
        framer.push(&stream[at - 1..at], &mut sink);
        at > stream.len() / 2 && framer.at_boundary()
    });
    if let Some(at) = boundary {
        let put_in = parse(Limits::default(), [&stream[..at], b": put in\n\n", &stream[at..]]);
        assert_eq!(put_in.events, parsed);
    }
}

pub(crate) fn parser(stream: &[u8]) {
    let small = Limits { max_line: 9, max_event: 13 };
    let (whole, bounded) = (parse(Limits::default(), [stream]), parse(small, [stream]));
    for chunks in cuts(stream) {
        agree(&chunks);
        assert_eq!(parse(Limits::default(), chunks.iter().copied()), whole);
        assert_eq!(parse(small, chunks), bounded);
    }
    assert!(whole.events.starts_with(&bounded.events));
}

pub(crate) fn dialect_stream(stream: &[u8]) {
    for dialect in DIALECTS.map(Some).into_iter().chain([None]) {
        let read = |chunks: &[&[u8]]| {
            let (mut framer, mut reader) = (Framer::new(), StreamReader::new(dialect));
            for chunk in chunks {
                framer.push(chunk, &mut reader);
            }
            let ends = (reader.has_content(), reader.is_terminated(), reader.expects_marker());
            (ends, reader.error(), reader.usage(), reader.finish_reason(), reader.events())
        };
        let whole = read(&[stream]);
        for chunks in cuts(stream) {
            assert_eq!(read(&chunks), whole, "{dialect:?}");
        }
    }
}

pub(crate) fn modes(stream: &[u8]) {
    for dialect in [Dialect::OpenAiChat, Dialect::OpenAiResponses, Dialect::AnthropicMessages] {
        let collect = |chunks: &[&[u8]], max_bytes: usize| {
            let mut collect = Collect::new(dialect, max_bytes).expect("one of the three");
            chunks.iter().try_for_each(|chunk| collect.push(chunk))?;
            collect.finish()
        };
        let expand = |answer: &Value| expand(dialect, answer, true, 64 << 20);
        for max_bytes in [1 << 10, 16 << 20] {
            let whole = collect(&[stream], max_bytes);
            for chunks in cuts(stream) {
                assert_eq!(collect(&chunks, max_bytes), whole, "{dialect:?}");
            }
            if let Some(stream) = whole.ok().and_then(|answer| expand(&answer).ok()) {
                let again = collect(&[&stream], 64 << 20);
                assert!(
                    matches!(again, Ok(_) | Err(CollectError::Upstream { .. })),
                    "{dialect:?}: {again:?}"
                );
            }
        }
        // As a whole answer.
        if let Ok(answer) = serde_json::from_slice(stream) {
            let _ = expand(&answer);
        }
    }
}

/// The first line is the path, if there is more than one line.
pub(crate) fn dialect_request(request: &[u8]) {
    let (path, body) = match request.iter().position(|&byte| byte == b'\n') {
        Some(end) => (&request[..end], &request[end + 1..]),
        None => (&b"/v1/models/m:streamGenerateContent"[..], request),
    };
    let path = String::from_utf8_lossy(path);
    let _ = Dialect::from_path(&path);
    // Keys may come twice, and hold half of a surrogate pair, as far as nobody reads them.
    let is_object =
        body.trim_ascii_start().starts_with(b"{") && serde_json::from_slice::<IgnoredAny>(body).is_ok();
    for dialect in DIALECTS {
        match dialect.read_request(&path, body) {
            Ok(facts) => {
                assert!(is_object, "{dialect:?} takes what is no object");
                assert!(!facts.model.is_empty());
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}
