use dashpot_wire::{
    dialect::Dialect,
    modes::{CollectError, expand},
};
use serde_json::{Value, json};

use crate::support::{LARGE, collect, events};

fn expanded(dialect: Dialect, answer: &Value, usage: bool) -> Vec<(String, Value)> {
    let stream = expand(dialect, answer, usage, LARGE).expect("it is a whole answer");
    let json = |data: String| serde_json::from_str(&data).unwrap_or(Value::String(data));
    events(&stream).into_iter().map(|(event, data)| (event, json(data))).collect()
}

#[test]
fn chat_is_a_chunk_for_the_role_one_for_each_text_and_call_and_one_for_the_end() {
    let answer = json!({
        "id": "c", "object": "chat.completion", "created": 7, "model": "m", "usage": {"total_tokens": 3}, "x": 1,
        "choices": [{"index": 0, "finish_reason": "tool_calls", "logprobs": {"content": []}, "stop_reason": 5, "message": {
            "role": "assistant", "content": "a", "refusal": null, "reasoning_content": "r",
            "tool_calls": [{"id": "call_0", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        }}],
    });
    let chunk = |choices: Value| {
        let head = json!({
            "id": "c", "object": "chat.completion.chunk", "created": 7, "model": "m", "choices": choices,
        });
        head.as_object().unwrap().clone()
    };
    let choice = |delta: Value, finish: Value, logprobs: Value| json!({"index": 0, "delta": delta, "finish_reason": finish, "logprobs": logprobs});
    let opening = json!({"role": "assistant", "content": "", "refusal": null, "reasoning_content": ""});
    let call =
        json!({"index": 0, "id": "call_0", "type": "function", "function": {"name": "f", "arguments": ""}});
    let mut first = choice(opening, Value::Null, Value::Null);
    first["stop_reason"] = 5.into();
    let mut expected: Vec<_> = [
        first,
        choice(json!({"reasoning_content": "r"}), Value::Null, Value::Null),
        choice(json!({"content": "a"}), Value::Null, json!({"content": []})),
        choice(json!({"tool_calls": [call]}), Value::Null, Value::Null),
        choice(
            json!({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}),
            Value::Null,
            Value::Null,
        ),
        choice(json!({}), "tool_calls".into(), Value::Null),
    ]
    .map(|choice| Value::Object(chunk(json!([choice]))))
    .into();
    expected[0]["x"] = 1.into();
    let seen = expanded(Dialect::OpenAiChat, &answer, false);
    assert!(seen.iter().all(|(event, _)| event == "message"));
    let (done, chunks) = seen.split_last().unwrap();
    assert_eq!(done.1, "[DONE]");
    assert_eq!(chunks.iter().map(|(_, data)| data.clone()).collect::<Vec<_>>(), expected);

    let with_usage = expanded(Dialect::OpenAiChat, &answer, true);
    assert_eq!(with_usage.len(), seen.len() + 1);
    assert_eq!(with_usage[0].1["usage"], Value::Null);
    let last = &with_usage[with_usage.len() - 2].1;
    assert_eq!((&last["choices"], &last["usage"]), (&json!([]), &json!({"total_tokens": 3})));
}

#[test]
fn messages_are_blocks_between_a_start_and_an_end() {
    let answer = json!({
        "id": "msg_1", "type": "message", "stop_reason": "tool_use", "usage": {"input_tokens": 3, "output_tokens": 4},
        "content": [
            {"type": "thinking", "thinking": "t", "signature": "s"},
            {"type": "text", "text": "a", "citations": [{"url": "u"}]},
            {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}},
            {"type": "tool_use", "id": "toolu_2", "name": "g", "input": {}},
        ],
    });
    let seen = expanded(Dialect::AnthropicMessages, &answer, false);
    assert!(seen.iter().all(|(event, data)| data["type"] == **event));
    let start = json!({"type": "message_start", "message": {
        "id": "msg_1", "type": "message", "content": [], "stop_reason": null, "usage": {"input_tokens": 3, "output_tokens": 0},
    }});
    assert_eq!(seen[0].1, start);
    let deltas: Vec<_> = seen
        .iter()
        .filter(|(event, _)| event == "content_block_delta")
        .map(|(_, data)| &data["delta"])
        .collect();
    assert_eq!(
        json!(deltas),
        json!([
            {"type": "thinking_delta", "thinking": "t"},
            {"type": "signature_delta", "signature": "s"},
            {"type": "text_delta", "text": "a"},
            {"type": "citations_delta", "citation": {"url": "u"}},
            {"type": "input_json_delta", "partial_json": "{\"a\":1}"},
        ])
    );
    let names: Vec<_> = seen.iter().map(|(event, _)| event.as_str()).collect();
    assert_eq!(
        names[names.len() - 4..],
        ["content_block_start", "content_block_stop", "message_delta", "message_stop"]
    );
    let end = json!({
        "type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"input_tokens": 3, "output_tokens": 4},
    });
    assert_eq!(seen[seen.len() - 2].1, end);
}

#[test]
fn responses_are_numbered_events_for_every_item_and_part() {
    let answer = json!({
        "id": "r", "status": "completed", "usage": {"total_tokens": 3}, "output": [
            {"id": "rs", "type": "reasoning", "summary": [{"type": "summary_text", "text": "t"}]},
            {"id": "m", "type": "message", "status": "completed", "content": [
                {"type": "output_text", "text": "a", "annotations": [{"url": "u"}]}, {"type": "refusal", "refusal": "no"}]},
            {"id": "fc", "type": "function_call", "name": "f", "arguments": "{}"},
            {"id": "ws", "type": "web_search_call"},
        ],
    });
    let seen = expanded(Dialect::OpenAiResponses, &answer, false);
    for (number, (event, data)) in seen.iter().enumerate() {
        assert_eq!((&data["type"], &data["sequence_number"]), (&json!(event), &json!(number)));
    }
    let names: Vec<_> = seen.iter().map(|(event, _)| event.strip_prefix("response.").unwrap()).collect();
    let expected = "created in_progress \
         output_item.added reasoning_summary_part.added reasoning_summary_text.delta reasoning_summary_text.done \
         reasoning_summary_part.done output_item.done \
         output_item.added content_part.added output_text.delta output_text.annotation.added output_text.done \
         content_part.done content_part.added refusal.delta refusal.done content_part.done output_item.done \
         output_item.added function_call_arguments.delta function_call_arguments.done output_item.done \
         output_item.added output_item.done completed";
    assert_eq!(names, expected.split_whitespace().collect::<Vec<_>>());
    assert_eq!(
        seen[0].1["response"],
        json!({"id": "r", "status": "in_progress", "usage": null, "output": []})
    );
    let part = json!({"type": "output_text", "text": "", "annotations": []});
    assert_eq!(seen[9].1["part"], part);
}

#[test]
fn what_is_no_whole_answer_is_refused() {
    let running = json!({"status": "in_progress", "output": []});
    for (dialect, answer, why) in [
        (Dialect::OpenAiChat, json!([]), "an answer is a JSON object"),
        (Dialect::OpenAiChat, json!({"error": {}}), "an answer of chat completions has a list of choices"),
        (
            Dialect::OpenAiResponses,
            json!({"output": [1]}),
            "an answer of responses has a list of output items",
        ),
        (Dialect::OpenAiResponses, running, "the response is not finished"),
        (
            Dialect::AnthropicMessages,
            json!({"content": "a"}),
            "an answer of messages has a list of content blocks",
        ),
        (Dialect::Gemini, json!({}), "this API's answers cannot be made into streams"),
    ] {
        assert_eq!(expand(dialect, &answer, true, LARGE).unwrap_err().to_string(), why);
    }
}

#[test]
fn a_response_that_failed_is_a_stream_that_failed() {
    let answer = json!({"status": "failed", "error": {"code": "server_error", "message": "m"}, "output": []});
    let stream = expand(Dialect::OpenAiResponses, &answer, true, LARGE).unwrap();
    assert!(matches!(collect(Dialect::OpenAiResponses, &stream), Err(CollectError::Upstream { .. })));
}
