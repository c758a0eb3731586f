//! `POST /v1/responses`.

use serde_json::{Value, json};

use super::{
    ask::Ask,
    reply::{Choice, Finish, Reply},
    script::{Events, Script},
};

pub(super) fn whole(ask: &Ask, reply: &Reply) -> Value {
    let choice = &reply.choices[0];
    let status = if choice.finish == Finish::Length { "incomplete" } else { "completed" };
    let mut response = head(ask, reply, status);
    response["output"] = json!([item(reply, choice, &choice.text(), status)]);
    response["usage"] = json!({
        "input_tokens": reply.input_tokens, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": reply.output_tokens(), "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": reply.input_tokens + reply.output_tokens(),
    });
    if choice.finish == Finish::Length {
        response["incomplete_details"] = json!({"reason": "max_output_tokens"});
    }
    response
}

pub(super) fn stream(ask: &Ask, reply: &Reply) -> Script {
    let choice = &reply.choices[0];
    let (text, end) = (choice.text(), whole(ask, reply));
    let status = &end["status"];
    let started = head(ask, reply, "in_progress");
    let mut stream = Stream { events: Events::default(), number: 0, item: item_id(reply, choice) };
    stream.plain("response.created", json!({"response": started}));
    stream.plain("response.in_progress", json!({"response": started}));
    let mut opening = item(reply, choice, "", "in_progress");
    if choice.tool.is_none() {
        opening["content"] = json!([]);
    }
    stream.plain("response.output_item.added", json!({"output_index": 0, "item": opening}));
    let chunks = choice.tokens.chunks(reply.tokens_per_event);
    if choice.tool.is_some() {
        for chunk in chunks {
            stream.item(
                "response.function_call_arguments.delta",
                json!({"delta": chunk.concat()}),
                chunk.len(),
            );
        }
        stream.item(
            "response.function_call_arguments.done",
            json!({"arguments": text, "name": choice.tool}),
            0,
        );
    } else {
        stream.content("response.content_part.added", json!({"part": part("")}), 0);
        for chunk in chunks {
            let delta = json!({"delta": chunk.concat(), "logprobs": []});
            stream.content("response.output_text.delta", delta, chunk.len());
        }
        stream.content("response.output_text.done", json!({"text": text, "logprobs": []}), 0);
        stream.content("response.content_part.done", json!({"part": part(&text)}), 0);
    }
    stream.plain("response.output_item.done", json!({"output_index": 0, "item": end["output"][0]}));
    let last = if status == "incomplete" { "response.incomplete" } else { "response.completed" };
    stream.plain(last, json!({"response": end}));
    stream.events.finish()
}

struct Stream {
    events: Events,
    number: u64,
    item: String,
}

impl Stream {
    fn plain(&mut self, kind: &str, fields: Value) {
        self.event(kind, fields, 0);
    }

    /// An event of the one output item.
    fn item(&mut self, kind: &str, mut fields: Value, tokens: usize) {
        fields["item_id"] = self.item.as_str().into();
        fields["output_index"] = 0.into();
        self.event(kind, fields, tokens);
    }

    /// An event of the one part of the content of the one output item.
    fn content(&mut self, kind: &str, mut fields: Value, tokens: usize) {
        fields["content_index"] = 0.into();
        self.item(kind, fields, tokens);
    }

    fn event(&mut self, kind: &str, mut fields: Value, tokens: usize) {
        fields["type"] = kind.into();
        fields["sequence_number"] = self.number.into();
        self.number += 1;
        self.events.typed(&fields, tokens);
    }
}

/// All of a response but its output and usage.
fn head(ask: &Ask, reply: &Reply, status: &str) -> Value {
    let asked = |name: &str, default: Value| ask.body.get(name).cloned().unwrap_or(default);
    let completed = (status == "completed").then_some(reply.created);
    json!({
        "id": reply.id("resp_"), "object": "response", "created_at": reply.created, "completed_at": completed,
        "status": status, "background": false, "error": null, "incomplete_details": null,
        "instructions": asked("instructions", Value::Null), "max_output_tokens": asked("max_output_tokens", Value::Null),
        "metadata": asked("metadata", json!({})), "model": reply.model, "output": [],
        "parallel_tool_calls": asked("parallel_tool_calls", true.into()),
        "previous_response_id": asked("previous_response_id", Value::Null),
        "reasoning": {"effort": null, "summary": null}, "service_tier": "default", "store": false,
        "temperature": asked("temperature", json!(1.0)), "text": asked("text", json!({"format": {"type": "text"}})),
        "tool_choice": asked("tool_choice", "auto".into()), "tools": asked("tools", json!([])),
        "top_p": asked("top_p", json!(1.0)), "truncation": "disabled", "usage": null, "user": null,
    })
}

fn item_id(reply: &Reply, choice: &Choice) -> String {
    reply.id(if choice.tool.is_some() { "fc_" } else { "msg_" })
}

fn item(reply: &Reply, choice: &Choice, text: &str, status: &str) -> Value {
    let id = item_id(reply, choice);
    match &choice.tool {
        Some(name) => json!({
            "id": id, "type": "function_call", "status": status, "call_id": reply.id("call_"),
            "name": name, "arguments": text,
        }),
        None => json!({
            "id": id, "type": "message", "status": status, "role": "assistant", "content": [part(text)],
        }),
    }
}

fn part(text: &str) -> Value {
    json!({"type": "output_text", "annotations": [], "logprobs": [], "text": text})
}
