use std::panic::{AssertUnwindSafe, catch_unwind};

use dashpot_wire::sse::{Framer, Limits, Parser, TooLong};

use crate::support::{cut, parse};

const LIMITS: Limits = Limits { max_line: 8, max_event: 12 };

#[test]
fn what_is_as_long_as_the_limit_passes() {
    for size in [1, 3, usize::MAX] {
        let parsed =
            parse(LIMITS, cut(b"data: 12345678\ndata: 123\nid: 12345678\nevent: 12345678\n\n", &[size]));
        assert_eq!(parsed.events, [("12345678".into(), "12345678\n123".into(), "12345678".into())]);
        assert_eq!(parsed.error, None);
    }
}

#[test]
fn what_is_longer_is_an_error_and_stays_one() {
    let (line, event) = (TooLong::Line(8), TooLong::Event(12));
    for (stream, error) in [
        (&b"data: ok\n\ndata: 123456789"[..], line),
        (b"data: ok\n\ndata:  12345678\n", line),
        (b"data: ok\n\nid: 123456789\n", line),
        (b"data: ok\n\nevent: 123456789", line),
        (b"data: ok\n\nretry: 000000005", line),
        (b"data: ok\n\ndata: 12345678\ndata: 1234\n\n", event),
        (b"data: ok\n\ndata: 12345678\ndata:\ndata:\ndata:\ndata:\ndata:\n", event),
    ] {
        for size in [1, 3, usize::MAX] {
            let chunks = cut(stream, &[size]).into_iter().chain([&b"\n\ndata: late\n\n"[..]]);
            let parsed = parse(LIMITS, chunks);
            assert_eq!(parsed.error, Some(error), "{}, {size}", stream.escape_ascii());
            assert_eq!(parsed.events, [("message".into(), "ok".into(), String::new())], "what came before");
        }
    }
}

#[test]
fn an_event_limit_below_the_line_limit_holds() {
    let limits = Limits { max_line: 8, max_event: 2 };
    for size in [1, usize::MAX] {
        assert_eq!(parse(limits, cut(b"data: 123\n\n", &[size])).error, Some(TooLong::Event(2)));
        assert_eq!(parse(limits, cut(b"data: 12\n\n", &[size])).error, None);
    }
}

#[test]
fn comments_and_unknown_fields_may_have_any_length() {
    for size in [1, 5, usize::MAX] {
        let stream = b": 123456789012345\n123456789012345: 1\ndatadata: 12345678901\ndata: a\n\n";
        let parsed = parse(LIMITS, cut(stream, &[size]));
        assert_eq!((parsed.error, parsed.events.len()), (None, 1));
    }
}

#[test]
fn an_event_whose_call_panics_leaves_nothing_to_the_next() {
    let mut parser = Parser::default();
    parser.push(b"event: a\ndata: old\ndata: o", |_| {}).unwrap();
    let call = AssertUnwindSafe(|| parser.push(b"ld\n\n", |_| panic!("the caller's")));
    assert!(catch_unwind(call).is_err());
    let mut seen = Vec::new();
    parser
        .push(b"\n\ndata: new\n\n", |event| seen.push((event.event.to_owned(), event.data.to_owned())))
        .unwrap();
    assert_eq!(seen, [("message".to_owned(), "new".to_owned())]);
}

#[test]
fn errors_name_the_limit() {
    assert_eq!(TooLong::Line(8).to_string(), "a line of the event stream is longer than 8 bytes");
    assert_eq!(TooLong::Event(12).to_string(), "the data of an event is longer than 12 bytes");
}

#[test]
fn the_state_of_a_stream_is_small() {
    assert!(size_of::<Framer>() <= 96, "{}", size_of::<Framer>());
    assert!(size_of::<Parser>() <= 256, "{}", size_of::<Parser>());
}
