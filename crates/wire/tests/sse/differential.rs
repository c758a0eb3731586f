use dashpot_wire::sse::Limits;
use proptest::prelude::*;

use crate::{
    strategy::stream_and_sizes,
    support::{agree, cut, frame, parse},
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn the_parser_agrees_with_sse_core((stream, sizes) in stream_and_sizes()) {
        agree(&cut(&stream, &sizes));
    }

    #[test]
    fn cuts_change_nothing((stream, sizes) in stream_and_sizes(), max_line in 0_usize..20, max_event in 0_usize..20) {
        let limits = Limits { max_line, max_event };
        prop_assert_eq!(parse(limits, cut(&stream, &sizes)), parse(limits, [&stream[..]]));
    }

    #[test]
    fn the_framer_gives_what_the_parser_gives((stream, sizes) in stream_and_sizes()) {
        let framed = frame(cut(&stream, &sizes)).events;
        let parsed = parse(Limits::default(), [&stream[..]]).events;
        prop_assert_eq!(framed.len(), parsed.len());
        for ((event_type, data), (event, text, _)) in framed.iter().zip(&parsed) {
            prop_assert_eq!(&String::from_utf8_lossy(data), text);
            // Tokens of a stream can make a type that is longer than what is kept.
            let event_type = String::from_utf8_lossy(event_type);
            if event_type.is_empty() {
                prop_assert_eq!(event, "message");
            } else if event_type.len() < 48 {
                prop_assert_eq!(&event_type, event);
            }
        }
    }
}
