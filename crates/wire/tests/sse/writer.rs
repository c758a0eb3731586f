use std::time::Duration;

use dashpot_wire::sse::{Limits, Message, NotOneLine, write_comment, write_retry};
use proptest::prelude::*;

use crate::support::parse;

fn write(message: Message<'_>) -> String {
    let mut out = Vec::new();
    message.write(&mut out).expect("names of one line");
    String::from_utf8(out).expect("made of text")
}

#[test]
fn an_event_is_written_as_short_as_it_can_be() {
    assert_eq!(write(Message { data: "a", ..Message::default() }), "data: a\n\n");
    assert_eq!(write(Message::default()), "data: \n\n");
    let all = Message { event: "e", id: Some("1"), data: "a\nb\r\nc\rd\n" };
    assert_eq!(write(all), "event: e\nid: 1\ndata: a\ndata: b\ndata: c\ndata: d\ndata: \n\n");
}

#[test]
fn a_type_or_id_of_two_lines_is_refused_and_nothing_is_written() {
    for bad in ["a\nb", "\r"] {
        let mut out = b"before".to_vec();
        assert_eq!(Message { event: bad, ..Message::default() }.write(&mut out), Err(NotOneLine));
        assert_eq!(Message { id: Some(bad), ..Message::default() }.write(&mut out), Err(NotOneLine));
        assert_eq!(out, b"before");
    }
}

#[test]
fn nul_is_refused_in_an_id_only_since_readers_ignore_such_an_id() {
    assert_eq!(Message { id: Some("a\0"), ..Message::default() }.write(&mut Vec::new()), Err(NotOneLine));
    assert_eq!(write(Message { event: "a\0", ..Message::default() }), "event: a\0\ndata: \n\n");
}

#[test]
fn comments_and_times_to_wait_are_no_events() {
    let mut out = Vec::new();
    write_comment(&mut out, "keep-alive");
    write_comment(&mut out, "a\r\ndata: b\rdata: c");
    write_retry(&mut out, Duration::from_millis(1500));
    assert_eq!(out, b": keep-alive\n\n: a\n: data: b\n: data: c\n\nretry: 1500\n\n");
    let parsed = parse(Limits::default(), [&out[..]]);
    assert_eq!((parsed.events.len(), parsed.retry), (0, Some(Duration::from_millis(1500))));
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        events in prop::collection::vec(("[^\r\n\0]{0,5}", prop::option::of("[^\r\n\0]{0,5}"), "(?s)([ab: \n\r]|.){0,12}"), 0..4),
        comment in "(?s).{0,8}",
    ) {
        let (mut out, mut expected, mut last_id) = (Vec::new(), Vec::new(), String::new());
        for (event, id, data) in &events {
            write_comment(&mut out, &comment);
            Message { event, id: id.as_deref(), data }.write(&mut out).unwrap();
            last_id = id.clone().unwrap_or(last_id);
            let event = if event.is_empty() { "message" } else { event };
            let data = data.replace("\r\n", "\n").replace('\r', "\n");
            expected.push((event.to_owned(), data, last_id.clone()));
        }
        prop_assert_eq!(parse(Limits::default(), [&out[..]]).events, expected);
    }
}
