use bytes::Bytes;
use dashpot_wire::sse::Limits;
use proptest::prelude::*;
use sse_core::{SseDecoder, SseEvent};

use crate::support::{Parsed, cut, frame, parse, stream_and_sizes};

/// What `sse-core` makes of the stream.
fn reference(chunks: &[&[u8]]) -> Parsed {
    let (mut decoder, mut parsed) = (SseDecoder::new(), Parsed::default());
    for chunk in chunks {
        let mut chunk = Bytes::copy_from_slice(chunk);
        while let Some(event) = decoder.next(&mut chunk) {
            match event.expect("below its limit") {
                SseEvent::Message(message) => parsed.events.push((
                    message.event.into_owned(),
                    message.data,
                    message.last_event_id.as_deref().unwrap_or_default().into(),
                )),
                SseEvent::Retry(millis) => {
                    parsed.retry = Some(std::time::Duration::from_millis(millis.into()));
                }
            }
        }
    }
    parsed.last_event_id = decoder.last_event_id().map(|id| id.to_string()).unwrap_or_default();
    parsed
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn the_parser_agrees_with_sse_core((stream, sizes) in stream_and_sizes()) {
        let chunks = cut(&stream, &sizes);
        let (mut ours, mut theirs) = (parse(Limits::default(), chunks.iter().copied()), reference(&chunks));
        // It keeps the time to wait in 32 bits, and we in 64.
        let wide = |parsed: &Parsed| parsed.retry.is_some_and(|wait| wait.as_millis() > u32::MAX.into());
        if wide(&ours) {
            (ours.retry, theirs.retry) = (None, None);
        }
        prop_assert_eq!(ours, theirs);
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
