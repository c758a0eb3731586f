use dashpot_wire::sse::{Framer, Limits};
use proptest::prelude::*;

use crate::{
    strategy::stream_and_sizes,
    support::{Collect, parse},
};

fn at_boundary(stream: &[u8]) -> bool {
    let mut framer = Framer::new();
    framer.push(stream, &mut Collect::default());
    framer.at_boundary()
}

#[test]
fn a_boundary_is_where_no_field_is_pending() {
    for yes in [
        &b""[..],
        b"\xef\xbb\xbf",
        b"\n",
        b"data: a\n\n",
        b"data: a\r\r",
        b"data: a\r\n\r\n",
        b"data: a\r\n\r",
        b"data: a\n\r",
        b": ping\n",
        b": ping\r",
        b"data: a\n\n: ping\n",
        b"unknown: 5\n",
    ] {
        assert!(at_boundary(yes), "{}", yes.escape_ascii());
    }
    for no in [
        &b"\xef"[..],
        b"\xef\xbb",
        b"d",
        b"data",
        b"data: a",
        b"data: a\n",
        b"data: a\r",
        b"data: a\r\n",
        b"data: a\n\nd",
        b":",
        b": ping",
        b"unknown",
        b"event: e\n",
        b"id: 1\n",
        b"id\n",
        b"data\n: ping\n",
        b"event\n",
        b"retry: 5",
        b"retry: 5\n",
    ] {
        assert!(!at_boundary(no), "{}", no.escape_ascii());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn blocks_put_in_at_a_boundary_change_nothing((stream, _) in stream_and_sizes()) {
        let as_it_was = parse(Limits::default(), [&stream[..]]);
        for at in 0..=stream.len() {
            let (before, after) = stream.split_at(at);
            // The reservation that `at_boundary` states.
            if !at_boundary(before) || (at == 0 && stream.starts_with(b"\xef\xbb\xbf")) {
                continue;
            }
            let with_comment = parse(Limits::default(), [before, b": keep-alive\n\n", after]);
            prop_assert_eq!(&with_comment, &as_it_was, "at {}", at);

            let mut with_event = parse(Limits::default(), [before, b"event: error\ndata: put in\n\n", after]);
            let index = parse(Limits::default(), [before]).events.len();
            let (event, data, _) = with_event.events.remove(index);
            prop_assert_eq!((event.as_str(), data.as_str()), ("error", "put in"));
            prop_assert_eq!(&with_event, &as_it_was, "at {}", at);

            // A stream that ends here has lost no event and no id.
            let mut ended = parse(Limits::default(), [before, b"\n\n"]);
            ended.retry = None;
            let mut plain = parse(Limits::default(), [before]);
            plain.retry = None;
            prop_assert_eq!(ended, plain, "at {}", at);
        }
    }
}
