use std::time::Duration;

use dashpot_wire::sse::Limits;

use crate::{
    support::{cut, frame, parse},
    vectors::VECTORS,
};

const SIZES: [usize; 6] = [usize::MAX, 1, 2, 3, 7, 16];

#[test]
fn the_parser_gives_the_events_of_every_vector_however_it_is_cut() {
    for (name, stream, expected) in VECTORS {
        for size in SIZES {
            let parsed = parse(Limits::default(), cut(stream, &[size]));
            let events: Vec<_> =
                parsed.events.iter().map(|(a, b, c)| (a.as_str(), b.as_str(), c.as_str())).collect();
            assert_eq!(events, *expected, "{name}, in chunks of {size}");
            assert_eq!(parsed.error, None);
        }
    }
}

#[test]
fn the_framer_gives_the_data_and_types_of_every_vector_however_it_is_cut() {
    for (name, stream, expected) in VECTORS {
        for size in SIZES {
            let events: Vec<_> = frame(cut(stream, &[size]))
                .events
                .into_iter()
                .map(|(event, data)| {
                    let event = if event.is_empty() { b"message".to_vec() } else { event };
                    (
                        String::from_utf8_lossy(&event).into_owned(),
                        String::from_utf8_lossy(&data).into_owned(),
                    )
                })
                .collect();
            let expected: Vec<_> =
                expected.iter().map(|(event, data, _)| ((*event).to_owned(), (*data).to_owned())).collect();
            assert_eq!(events, expected, "{name}, in chunks of {size}");
        }
    }
}

#[test]
fn an_id_counts_from_its_blank_line_on() {
    for (stream, last) in [
        (&b"id: 1\n"[..], ""),
        (b"id: 1\n\n", "1"),
        (b"id: 1\r", ""),
        (b"id: 1\r\r", "1"),
        (b"id: 1\n\nid: 2\ndata: cut off\n", "1"),
        (b"id: 1\n\nid\n\n", ""),
        (b"id: 1\n\nid: 2\0\n\n", "1"),
    ] {
        for size in SIZES {
            assert_eq!(
                parse(Limits::default(), cut(stream, &[size])).last_event_id,
                last,
                "{stream:?}, {size}"
            );
        }
    }
}

#[test]
fn retry_takes_digits_only_and_counts_at_once() {
    for (stream, millis) in [
        (&b"retry: 1500\n"[..], Some(1500)),
        (b"retry: 1500", None),
        (b"retry:0\n", Some(0)),
        (b"retry: 007\n", Some(7)),
        (b"retry: 5\nretry: 6\n", Some(6)),
        (b"retry: 5\nretry: no\nretry:\nretry\n", Some(5)),
        (b"retry: 18446744073709551615\n", Some(u64::MAX)),
        (b"retry: 5\nretry: 18446744073709551616\n", Some(5)),
        (b"retry: 99999999999999999999999999999999999999999\n", None),
        (b"retry: +5\n", None),
        (b"retry: -5\n", None),
        (b"retry: 5 \n", None),
        (b"retry:  5\n", None),
        (b"retry: 5.0\n", None),
        (b"retry: 0x5\n", None),
        ("retry: \u{665}\n".as_bytes(), None),
    ] {
        for size in SIZES {
            let retry = parse(Limits::default(), cut(stream, &[size])).retry;
            assert_eq!(retry, millis.map(Duration::from_millis), "{stream:?}, {size}");
        }
    }
}

#[test]
fn an_event_type_is_cut_to_its_limit() {
    let stream = format!("event: {}\ndata: a\n\nevent: short\ndata: b\n\n", "x".repeat(5000));
    for size in SIZES {
        let events = frame(cut(stream.as_bytes(), &[size])).events;
        assert_eq!(events[0].0, [b'x'; 48]);
        assert_eq!(events[1].0, b"short");
    }
}
