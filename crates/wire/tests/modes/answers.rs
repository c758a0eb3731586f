//! Whole answers as the APIs give them, with everything in them.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// A text with whatever JSON and event streams must escape.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![4 => "(?s).{0,12}", 1 => Just("\n\ndata: [DONE]\r\n\0\u{feff}😀\"\\".to_owned())]
}

fn some_text() -> impl Strategy<Value = Value> {
    prop_oneof![3 => text().prop_map(Value::from), 1 => Just(Value::Null)]
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter("JSON has no others", |number| number.is_finite()).prop_map(Value::from),
    ]
}

/// Any JSON that has no `index`, by which lists would be merged.
pub(crate) fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![some_text(), number(), any::<bool>().prop_map(Value::from)];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("x_[a-e\"é]{1,3}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// `base` and fields that nobody knows, and without some of its own that may be missing.
fn vary(base: Value, optional: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let unknown = prop::collection::btree_map("x_[a-e]{1,2}", json(), 0..3);
    (unknown, prop::collection::vec(any::<bool>(), optional.len())).prop_map(move |(unknown, keep)| {
        let mut object = base.as_object().cloned().unwrap_or_else(Map::new);
        for (key, _) in optional.iter().zip(keep).filter(|(_, keep)| !keep) {
            object.remove(*key);
        }
        object.extend(unknown);
        Value::Object(object)
    })
}

fn list<S: Strategy<Value = Value>>(of: S, most: usize) -> impl Strategy<Value = Value> {
    prop::collection::vec(of, 0..=most).prop_map(Value::from)
}

fn logprobs() -> impl Strategy<Value = Value> {
    let token = (text(), any::<f64>().prop_map(|number| if number.is_finite() { number } else { -0.1 }))
        .prop_map(|(token, logprob)| json!({"token": token, "bytes": token.as_bytes(), "logprob": logprob, "top_logprobs": []}));
    let tokens = prop::option::of(list(token, 3)).boxed();
    prop_oneof![
        Just(Value::Null),
        (tokens.clone(), tokens)
            .prop_map(|(content, refusal)| json!({"content": content, "refusal": refusal})),
    ]
}

pub(crate) fn chat() -> impl Strategy<Value = Value> {
    let call = prop_oneof![
        (text(), text()).prop_map(|(name, arguments)| json!({"type": "function", "function": {"name": name, "arguments": arguments}})),
        (text(), text()).prop_map(|(name, input)| json!({"type": "custom", "custom": {"name": name, "input": input}})),
    ];
    let call = (text(), call).prop_flat_map(|(id, mut call)| {
        call["id"] = id.into();
        vary(call, &["id"])
    });
    let texts = [some_text(), some_text(), some_text(), some_text()];
    let message = (texts, list(call, 3), list(json(), 2)).prop_flat_map(
        |([content, refusal, reasoning, reasoning_content], tool_calls, annotations)| {
            let message = json!({
                "role": "assistant", "content": content, "refusal": refusal, "reasoning": reasoning,
                "reasoning_content": reasoning_content, "tool_calls": tool_calls, "annotations": annotations,
            });
            vary(message, &["refusal", "reasoning", "reasoning_content", "tool_calls", "annotations"])
        },
    );
    let choice = (message, logprobs(), some_text()).prop_flat_map(|(message, logprobs, finish)| {
        vary(json!({"message": message, "logprobs": logprobs, "finish_reason": finish}), &["logprobs"])
    });
    (prop::collection::vec(choice, 0..4), some_text(), json()).prop_flat_map(|(mut choices, text, usage)| {
        for (index, choice) in choices.iter_mut().enumerate() {
            choice["index"] = index.into();
        }
        let answer = json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1_741_570_283, "model": "m",
            "choices": choices, "system_fingerprint": text, "service_tier": text, "usage": usage,
        });
        vary(answer, &["system_fingerprint", "service_tier", "usage"])
    })
}

pub(crate) fn responses() -> impl Strategy<Value = Value> {
    let part = prop_oneof![
        (text(), list(json(), 2), list(json(), 2)).prop_map(|(text, annotations, logprobs)| {
            json!({"type": "output_text", "text": text, "annotations": annotations, "logprobs": logprobs})
        }),
        text().prop_map(|refusal| json!({"type": "refusal", "refusal": refusal})),
    ];
    let thought = |kind: &'static str| text().prop_map(move |text| json!({"type": kind, "text": text}));
    let item = prop_oneof![
        list(part, 3).prop_map(|content| json!({"type": "message", "role": "assistant", "content": content})),
        (list(thought("summary_text"), 2), list(thought("reasoning_text"), 2)).prop_map(
            |(summary, content)| json!({"type": "reasoning", "summary": summary, "content": content})
        ),
        (text(), text()).prop_map(|(name, arguments)| {
            json!({"type": "function_call", "call_id": "call_1", "name": name, "arguments": arguments})
        }),
        text().prop_map(|input| json!({"type": "custom_tool_call", "call_id": "call_1", "input": input})),
        text().prop_map(|code| json!({"type": "code_interpreter_call", "code": code, "outputs": null})),
        json().prop_map(|action| json!({"type": "web_search_call", "action": action})),
    ];
    let item = item.prop_flat_map(|mut item| {
        (item["id"], item["status"]) = ("i".into(), "completed".into());
        vary(item, &["status", "content", "annotations"])
    });
    (list(item, 4), any::<bool>(), json()).prop_flat_map(|(output, completed, usage)| {
        let answer = json!({
            "id": "resp_1", "object": "response", "created_at": 1, "completed_at": 2, "model": "m", "output": output,
            "status": if completed { "completed" } else { "incomplete" }, "usage": usage, "error": null,
            "incomplete_details": if completed { Value::Null } else { json!({"reason": "max_output_tokens"}) },
        });
        vary(answer, &["usage", "error", "completed_at"])
    })
}

pub(crate) fn anthropic() -> impl Strategy<Value = Value> {
    let block = prop_oneof![
        (text(), prop::option::of(list(json(), 2)))
            .prop_map(|(text, citations)| json!({"type": "text", "text": text, "citations": citations})),
        (text(), text()).prop_map(
            |(thinking, signature)| json!({"type": "thinking", "thinking": thinking, "signature": signature})
        ),
        (text(), json()).prop_map(
            |(name, input)| json!({"type": "tool_use", "id": "toolu_1", "name": name, "input": input})
        ),
        text().prop_map(|data| json!({"type": "redacted_thinking", "data": data})),
        (text(), json()).prop_map(|(id, content)| {
            json!({"type": "web_search_tool_result", "tool_use_id": id, "content": content})
        }),
    ];
    let block = block.prop_flat_map(|block| vary(block, &["citations", "signature"]));
    let counts = (any::<u64>(), any::<u64>(), json()).prop_flat_map(|(input, output, details)| {
        let usage = json!({
            "input_tokens": input, "output_tokens": output, "cache_read_input_tokens": 0,
            "cache_creation": details, "service_tier": "standard", "server_tool_use": {"web_search_requests": 1},
        });
        vary(usage, &["cache_read_input_tokens", "cache_creation", "service_tier", "server_tool_use"])
    });
    (list(block, 4), some_text(), some_text(), counts).prop_flat_map(|(content, reason, sequence, usage)| {
        let answer = json!({
            "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": content,
            "stop_reason": reason, "stop_sequence": sequence, "usage": usage, "container": null,
        });
        vary(answer, &["container", "usage", "stop_sequence"])
    })
}
