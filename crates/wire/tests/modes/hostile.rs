use dashpot_core::Outcome;
use dashpot_wire::{
    dialect::Dialect,
    modes::{Collect, CollectError, ExpandError, expand},
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    answers,
    support::{DIALECTS, LARGE, collect, collect_cut},
};

/// Bytes that are mostly events of one of the dialects, with something wrong.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let key = prop::sample::select(vec![
        "type",
        "index",
        "choices",
        "delta",
        "message",
        "content",
        "content_block",
        "usage",
        "item",
        "response",
        "output_index",
        "tool_calls",
        "function",
        "arguments",
        "text",
        "partial_json",
        "citation",
        "logprobs",
        "output",
    ]);
    let word = prop::sample::select(vec![
        "message_start",
        "content_block_start",
        "content_block_delta",
        "message_delta",
        "message_stop",
        "text_delta",
        "input_json_delta",
        "citations_delta",
        "thinking_delta",
        "response.completed",
        "response.output_item.done",
        "{\"a\":[1,",
        "",
        "x",
    ]);
    let leaf = prop_oneof![
        4 => word.prop_map(Value::from),
        1 => (0_u64..3).prop_map(Value::from),
        1 => Just(Value::from(u64::MAX)),
        1 => Just(Value::Null),
        1 => answers::json(),
    ];
    let data = leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            4 => prop::collection::btree_map(key.clone(), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())),
        ]
    });
    let data = prop_oneof![
        8 => data.prop_map(|data| data.to_string().into_bytes()),
        1 => Just(b"[DONE]".to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..9),
    ];
    prop::collection::vec(data, 0..8).prop_map(|events| {
        events.into_iter().flat_map(|data| [b"data: ", &data[..], b"\n\n"].concat()).collect()
    })
}

proptest! {
    #[test]
    fn nothing_makes_it_panic_and_cuts_do_not_show(
        stream in stream(),
        sizes in prop::collection::vec(1_usize..20, 1..4),
        max_bytes in prop_oneof![0_usize..4000, Just(LARGE)],
    ) {
        for dialect in DIALECTS {
            let whole = collect_cut(dialect, &stream, &[stream.len()], max_bytes);
            prop_assert_eq!(&collect_cut(dialect, &stream, &[1], max_bytes), &whole);
            prop_assert_eq!(&collect_cut(dialect, &stream, &sizes, max_bytes), &whole);
        }
    }

    #[test]
    fn whatever_is_expanded_can_be_read(mut answer in prop_oneof![
        answers::json(), answers::chat(), answers::responses(), answers::anthropic(),
    ], other in answers::json(), key in prop::sample::select(vec!["choices", "output", "content", "usage", "status"])) {
        if let Value::Object(answer) = &mut answer {
            answer.insert(key.into(), other);
        }
        for dialect in DIALECTS {
            if let Ok(stream) = expand(dialect, &answer, true, LARGE) {
                // What says that it failed collects to that.
                let collected = collect(dialect, &stream);
                prop_assert!(matches!(collected, Ok(_) | Err(CollectError::Upstream { .. })), "{collected:?}");
            }
        }
    }
}

#[test]
fn an_answer_is_bounded_by_what_it_takes_of_memory() {
    let event = |data: Value| format!("data: {data}\n\n").into_bytes();
    let chunk = |delta: Value| event(json!({"choices": [{"index": 0, "delta": delta}]}));
    let max_bytes = 1 << 16;
    for (dialect, first, more) in [
        (Dialect::OpenAiChat, vec![], chunk(json!({"content": "x".repeat(100)}))),
        (Dialect::OpenAiChat, vec![], chunk(json!({"list": [{}, [], {"a": 1}]}))),
        (
            Dialect::AnthropicMessages,
            event(json!({"type": "message_start", "message": {}})),
            event(json!({"type": "content_block_start", "content_block": {"text": "x".repeat(max_bytes)}})),
        ),
    ] {
        let mut collect = Collect::new(dialect, max_bytes).unwrap();
        collect.push(&first).unwrap();
        let failed = (0..2000).find_map(|_| collect.push(&more).err());
        assert_eq!(failed, Some(CollectError::TooLarge(max_bytes)));
        assert_eq!(failed.unwrap().outcome(), Outcome::Ignored);
    }
}

#[test]
fn many_choices_take_what_is_theirs() {
    let mut collect = Collect::new(Dialect::OpenAiChat, 1 << 16).unwrap();
    let push = |index| collect.push(format!("data: {{\"choices\":[{{\"index\":{index}}}]}}\n\n").as_bytes());
    assert!((0..1000_u64).map(push).any(|pushed| pushed.is_err()));
}

#[test]
fn the_input_of_a_tool_counts_with_what_it_becomes() {
    let input = format!("[{}{{}}]", "{},".repeat(4000));
    let answer =
        json!({"content": [{"type": "tool_use", "input": serde_json::from_str::<Value>(&input).unwrap()}]});
    let stream = expand(Dialect::AnthropicMessages, &answer, true, LARGE).unwrap();
    let collected = collect_cut(Dialect::AnthropicMessages, &stream, &[99], 1 << 17);
    assert_eq!(collected, Err(CollectError::TooLarge(1 << 17)));
    assert_eq!(collect(Dialect::AnthropicMessages, &stream), Ok(answer));
}

#[test]
fn an_answer_that_says_little_under_a_long_name_is_no_endless_stream() {
    let (name, many) = ("x".repeat(32 << 10), vec![json!({}); 10_000]);
    for (dialect, answer) in [
        (Dialect::OpenAiChat, json!({"model": name, "choices": many})),
        (Dialect::OpenAiResponses, json!({"output": [{"type": "message", "id": name, "content": many}]})),
    ] {
        let stream = expand(dialect, &answer, true, 1 << 20);
        assert!(stream.is_err_and(ExpandError::is_too_long), "{dialect:?}");
    }
}

#[test]
fn json_that_is_too_deep_is_an_error() {
    let deep = format!("data: {}\n\n", "[".repeat(100_000));
    for dialect in DIALECTS {
        assert!(matches!(collect(dialect, deep.as_bytes()), Err(CollectError::Unreadable(_))));
    }
}
