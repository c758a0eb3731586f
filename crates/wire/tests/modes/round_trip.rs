use dashpot_wire::{
    dialect::{Dialect, StreamReader},
    modes::{expand, expand_in_pieces},
    sse::Framer,
};
use proptest::prelude::*;
use serde_json::Value;

use crate::{
    answers,
    support::{LARGE, collect_cut},
};

fn dialect_and_answer() -> impl Strategy<Value = (Dialect, Value)> {
    prop_oneof![
        answers::chat().prop_map(|answer| (Dialect::OpenAiChat, answer)),
        answers::responses().prop_map(|answer| (Dialect::OpenAiResponses, answer)),
        answers::anthropic().prop_map(|answer| (Dialect::AnthropicMessages, answer)),
    ]
}

proptest! {
    #[test]
    fn an_answer_that_is_expanded_and_collected_is_the_same_however_the_stream_is_cut(
        (dialect, answer) in dialect_and_answer(),
        sizes in prop::collection::vec(1_usize..40, 1..5),
    ) {
        let stream = expand(dialect, &answer, true, LARGE).unwrap();
        for sizes in [&[stream.len()], &[1], &sizes[..]] {
            let collected = collect_cut(dialect, &stream, sizes, LARGE).unwrap();
            prop_assert_eq!(&collected, &answer, "{}", String::from_utf8_lossy(&stream));
        }
    }

    #[test]
    fn an_answer_that_is_expanded_in_pieces_and_collected_is_the_same(
        (dialect, answer) in dialect_and_answer(),
        piece_bytes in 0_usize..20,
    ) {
        let stream = expand_in_pieces(dialect, &answer, true, LARGE, piece_bytes).unwrap();
        let collected = collect_cut(dialect, &stream, &[stream.len()], LARGE).unwrap();
        prop_assert_eq!(&collected, &answer, "{}", String::from_utf8_lossy(&stream));
    }

    #[test]
    fn an_answer_without_its_usage_is_the_same_but_for_that(answer in answers::chat()) {
        let stream = expand(Dialect::OpenAiChat, &answer, false, LARGE).unwrap();
        let collected = collect_cut(Dialect::OpenAiChat, &stream, &[7], LARGE).unwrap();
        let mut expected = answer;
        expected.as_object_mut().unwrap().remove("usage");
        prop_assert_eq!(collected, expected);
    }

    #[test]
    fn who_watches_an_expanded_stream_sees_it_end_in_order((dialect, answer) in dialect_and_answer()) {
        let (mut framer, mut reader) = (Framer::new(), StreamReader::new(Some(dialect)));
        framer.push(&expand(dialect, &answer, true, LARGE).unwrap(), &mut reader);
        prop_assert!(reader.is_terminated() && framer.at_boundary());
        prop_assert_eq!(reader.error(), None);
    }

    #[test]
    fn a_stream_that_is_cut_off_is_no_answer((dialect, answer) in dialect_and_answer(), at in 0.0..1.0) {
        let stream = expand(dialect, &answer, true, LARGE).unwrap();
        // Without the last line end, the last event does not count.
        let end = ((stream.len() - 1) as f64 * at) as usize;
        if let Ok(collected) = collect_cut(dialect, &stream[..end], &[13], LARGE) {
            // A chat has no need of its marker, and nobody knows of a choice that has not begun.
            prop_assert_eq!(dialect, Dialect::OpenAiChat);
            let (said, all) = (collected["choices"].as_array().unwrap(), answer["choices"].as_array().unwrap());
            prop_assert!(!said.is_empty() && all.starts_with(said), "{}", collected);
        }
    }
}
