//! Streams written by hand, and what they come to.

use dashpot_wire::{dialect::Dialect, modes::CollectError};
use serde_json::{Value, json};

use crate::support::{collect, stream};

fn chat(chunks: &[Value]) -> Value {
    let stream = [stream(chunks), b"data: [DONE]\n\n".to_vec()].concat();
    collect(Dialect::OpenAiChat, &stream).expect("it is whole")
}

fn anthropic(events: &[Value]) -> Result<Value, CollectError> {
    let start = json!({"type": "message_start", "message": {
        "id": "msg_1", "content": [], "stop_reason": null, "usage": {"input_tokens": 9, "output_tokens": 1},
    }});
    let stop = json!({"type": "message_stop"});
    let all: Vec<_> = [start].iter().chain(events).chain([&stop]).cloned().collect();
    collect(Dialect::AnthropicMessages, &stream(&all))
}

#[test]
fn choices_and_parallel_calls_are_told_apart_in_whatever_order_they_come() {
    let call = |index: u64, fields: Value| json!({"tool_calls": [merge(json!({"index": index}), fields)]});
    let answer = chat(&[
        json!({"id": "c", "object": "chat.completion.chunk", "obfuscation": "x", "choices": [
            {"index": 1, "delta": {"role": "assistant", "content": "b"}, "finish_reason": null},
            {"index": 0, "delta": call(1, json!({"id": "call_1", "function": {"name": "g", "arguments": ""}}))},
        ]}),
        json!({"choices": [{"index": 0, "delta": call(0, json!({"id": "call_0", "function": {"name": "f", "arguments": "{"}}))}]}),
        json!({"choices": [{"index": 0, "delta": call(1, json!({"function": {"arguments": "1"}}))}]}),
        json!({"choices": [{"index": 0, "delta": call(0, json!({"function": {"arguments": "}"}})), "finish_reason": "tool_calls"}]}),
        json!({"choices": [{"index": 1, "delta": {"content": "c"}, "finish_reason": "stop"}]}),
    ]);
    assert_eq!(
        answer,
        json!({"id": "c", "object": "chat.completion", "choices": [
            {"index": 0, "finish_reason": "tool_calls", "message": {"tool_calls": [
                {"id": "call_0", "function": {"name": "f", "arguments": "{}"}},
                {"id": "call_1", "function": {"name": "g", "arguments": "1"}},
            ]}},
            {"index": 1, "finish_reason": "stop", "message": {"role": "assistant", "content": "bc"}},
        ]})
    );
}

fn merge(mut a: Value, b: Value) -> Value {
    a.as_object_mut().unwrap().extend(b.as_object().unwrap().clone());
    a
}

#[test]
fn what_is_said_late_or_by_other_servers_is_kept() {
    let answer = chat(&[
        json!({"id": "", "model": "", "created": 0, "object": "", "choices": [], "prompt_filter_results": [1]}),
        json!({"id": "c", "model": "m", "created": 7, "usage": null, "choices": [
            {"index": 0, "delta": {"role": "assistant"}, "token_ids": [1], "logprobs": null}]}),
        json!({"id": "c", "model": "m", "usage": {"total_tokens": 2}, "choices": [
            {"index": 0, "delta": {"role": "assistant"}, "token_ids": [2, 3], "logprobs": {"content": [{"token": "a"}], "refusal": null}}]}),
        json!({"id": "", "usage": null, "choices": [
            {"index": 0, "finish_reason": "content_filter", "logprobs": {"content": [{"token": "b"}]}}]}),
    ]);
    assert_eq!(
        answer,
        json!({
            "id": "c", "model": "m", "created": 7, "object": "chat.completion", "prompt_filter_results": [1],
            "usage": {"total_tokens": 2},
            "choices": [{
                "index": 0, "message": {"role": "assistant"}, "token_ids": [1, 2, 3], "finish_reason": "content_filter",
                "logprobs": {"content": [{"token": "a"}, {"token": "b"}], "refusal": null},
            }],
        })
    );
}

#[test]
fn the_input_of_a_tool_is_what_its_pieces_say_or_what_it_was() {
    let start = |index: u64| json!({"type": "content_block_start", "index": index, "content_block": {"type": "tool_use", "input": {}}});
    let piece = |index: u64, json: &str| json!({"type": "content_block_delta", "index": index, "delta": {"type": "input_json_delta", "partial_json": json}});
    let input = |pieces: &[&str]| {
        let events: Vec<_> = [start(0)].into_iter().chain(pieces.iter().map(|text| piece(0, text))).collect();
        anthropic(&events).map(|answer| answer["content"][0]["input"].clone())
    };
    assert_eq!(input(&[]), Ok(json!({})));
    assert_eq!(input(&[""]), Ok(json!({})));
    assert_eq!(input(&["{\"a\": \"\\ud8", "3d\\ude00\"}"]), Ok(json!({"a": "😀"})));
    assert_eq!(input(&["{\"a\": 0.1, \"b\": \"cut o"]), Ok(json!({"a": 0.1})));
    assert_eq!(input(&["not json"]), Err(CollectError::Unreadable("the input of a tool is not JSON")));
    let crossed = anthropic(&[start(1), start(0), piece(1, "[1"), piece(0, "0"), piece(1, "]")]).unwrap();
    assert_eq!((&crossed["content"][0]["input"], &crossed["content"][1]["input"]), (&json!(0), &json!([1])));
}

#[test]
fn the_end_of_a_message_replaces_what_its_start_said() {
    let again = json!({"type": "message_start", "message": {"id": "msg_2", "usage": {}}});
    let block = json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "a", "citations": null}});
    let delta = |delta: Value| json!({"type": "content_block_delta", "index": 0, "delta": delta});
    let answer = anthropic(&[
        again,
        block,
        delta(json!({"type": "text_delta", "text": "b"})),
        delta(json!({"type": "citations_delta", "citation": {"url": "u"}})),
        delta(json!({"type": "sent_from_the_future", "text": "x"})),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "container": null}, "context_management": {"x": 1},
            "usage": {"output_tokens": 5, "input_tokens": null, "iterations": []}}),
    ]);
    assert_eq!(
        answer.unwrap(),
        json!({
            "id": "msg_1", "stop_reason": "end_turn", "container": null, "context_management": {"x": 1},
            "usage": {"input_tokens": 9, "output_tokens": 5, "iterations": []},
            "content": [{"type": "text", "text": "ab", "citations": [{"url": "u"}]}],
        })
    );
}

#[test]
fn a_response_is_what_its_last_event_says_and_items_fill_in() {
    let item = |index: u64| json!({"type": "response.output_item.done", "output_index": index, "item": {"id": index}});
    let last = |kind: &str, output: Value| json!({"type": kind, "response": {"id": "r", "output": output}});
    let collected = |events: &[Value]| collect(Dialect::OpenAiResponses, &stream(events)).unwrap();
    let whole = last("response.incomplete", json!([{"id": "last"}]));
    assert_eq!(collected(&[item(0), whole]), json!({"id": "r", "output": [{"id": "last"}]}));
    for output in [json!([]), Value::Null] {
        let lacking = last("response.completed", output);
        assert_eq!(collected(&[item(1), item(0), lacking])["output"], json!([{"id": 0}, {"id": 1}]));
    }
    assert_eq!(collected(&[last("response.completed", json!([]))])["output"], json!([]));
}
