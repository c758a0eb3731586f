//! `POST /v1/chat/completions`.

use serde_json::{Value, json};

use super::{
    ask::Ask,
    reply::{Choice, Finish, Reply},
    script::{Events, Script},
};

pub(super) fn whole(reply: &Reply) -> Value {
    let choices: Vec<Value> = reply
        .choices
        .iter()
        .enumerate()
        .map(|(index, choice)| {
            let mut message = json!({
                "role": "assistant", "content": choice.text(), "refusal": null, "annotations": [],
            });
            if let Some(name) = &choice.tool {
                message["content"] = Value::Null;
                message["tool_calls"] = json!([{
                    "id": call_id(reply, index), "type": "function",
                    "function": {"name": name, "arguments": choice.text()},
                }]);
            }
            json!({"index": index, "message": message, "logprobs": null, "finish_reason": finish(choice)})
        })
        .collect();
    let mut body = head(reply, "chat.completion");
    body["choices"] = choices.into();
    body["usage"] = usage(reply);
    body
}

pub(super) fn stream(ask: &Ask, reply: &Reply) -> Script {
    let mut events = Events::default();
    let chunk = |index: usize, delta: Value, finish: Value| {
        let mut chunk = head(reply, "chat.completion.chunk");
        chunk["choices"] =
            json!([{"index": index, "delta": delta, "logprobs": null, "finish_reason": finish}]);
        if ask.include_usage() {
            chunk["usage"] = Value::Null;
        }
        chunk
    };
    for (index, choice) in reply.choices.iter().enumerate() {
        let content = if choice.tool.is_some() { Value::Null } else { json!("") };
        let delta = json!({"role": "assistant", "content": content, "refusal": null});
        events.data(&chunk(index, delta, Value::Null), 0);
    }
    for turn in reply.turns() {
        let (index, mut time) = (turn.index, turn.time);
        let Some(name) = &turn.choice.tool else {
            events.data(&chunk(index, json!({"content": turn.text}), Value::Null), time);
            continue;
        };
        let call = |fields: Value| chunk(index, json!({"tool_calls": [fields]}), Value::Null);
        if turn.first {
            let function = json!({"name": name, "arguments": ""});
            let opening =
                json!({"index": 0, "id": call_id(reply, index), "type": "function", "function": function});
            events.data(&call(opening), std::mem::take(&mut time));
        }
        events.data(&call(json!({"index": 0, "function": {"arguments": turn.text}})), time);
    }
    for (index, choice) in reply.choices.iter().enumerate() {
        events.data(&chunk(index, json!({}), finish(choice).into()), 0);
    }
    if ask.include_usage() {
        let mut last = head(reply, "chat.completion.chunk");
        last["choices"] = json!([]);
        last["usage"] = usage(reply);
        events.data(&last, 0);
    }
    events.done()
}

fn head(reply: &Reply, object: &str) -> Value {
    json!({
        "id": reply.id("chatcmpl-"), "object": object, "created": reply.created, "model": reply.model,
        "system_fingerprint": null, "service_tier": "default",
    })
}

fn call_id(reply: &Reply, index: usize) -> String {
    format!("{}{index}", reply.id("call_"))
}

fn finish(choice: &Choice) -> &'static str {
    match choice.finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
        Finish::Tool => "tool_calls",
    }
}

pub(super) fn usage(reply: &Reply) -> Value {
    let (input, output) = (reply.input_tokens, reply.output_tokens());
    json!({
        "prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
        },
    })
}
