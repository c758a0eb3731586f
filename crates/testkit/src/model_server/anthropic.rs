//! `POST /v1/messages`, and how this dialect lists models.

use serde_json::{Value, json};

use super::{
    reply::{Choice, Finish, Reply},
    script::{Events, Script},
};

pub(super) fn whole(reply: &Reply) -> Value {
    let choice = &reply.choices[0];
    let mut message = head(reply, reply.output_tokens());
    message["content"] = json!([match &choice.tool {
        Some(name) => {
            let input: Value = serde_json::from_str(&choice.text()).unwrap_or_else(|_| json!({}));
            json!({"type": "tool_use", "id": reply.id("toolu_"), "name": name, "input": input})
        }
        None => json!({"type": "text", "text": choice.text()}),
    }]);
    message["stop_reason"] = stop_reason(choice).into();
    message
}

pub(super) fn stream(reply: &Reply) -> Script {
    let choice = &reply.choices[0];
    let mut events = Events::default();
    events.typed(&json!({"type": "message_start", "message": head(reply, 1)}), 0);
    let block = match &choice.tool {
        Some(name) => json!({"type": "tool_use", "id": reply.id("toolu_"), "name": name, "input": {}}),
        None => json!({"type": "text", "text": ""}),
    };
    events.typed(&json!({"type": "content_block_start", "index": 0, "content_block": block}), 0);
    events.typed(&json!({"type": "ping"}), 0);
    for tokens in choice.tokens.chunks(reply.tokens_per_event) {
        let delta = match choice.tool {
            Some(_) => json!({"type": "input_json_delta", "partial_json": tokens.concat()}),
            None => json!({"type": "text_delta", "text": tokens.concat()}),
        };
        events.typed(&json!({"type": "content_block_delta", "index": 0, "delta": delta}), tokens.len());
    }
    events.typed(&json!({"type": "content_block_stop", "index": 0}), 0);
    events.typed(
        &json!({
            "type": "message_delta",
            "delta": {"stop_reason": stop_reason(choice), "stop_sequence": null},
            "usage": {"output_tokens": reply.output_tokens()},
        }),
        0,
    );
    events.typed(&json!({"type": "message_stop"}), 0);
    events.finish()
}

fn head(reply: &Reply, output_tokens: u64) -> Value {
    json!({
        "id": reply.id("msg_"), "type": "message", "role": "assistant", "model": reply.model, "content": [],
        "stop_reason": null, "stop_sequence": null,
        "usage": {
            "input_tokens": reply.input_tokens, "output_tokens": output_tokens,
            "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "service_tier": "standard",
        },
    })
}

fn stop_reason(choice: &Choice) -> &'static str {
    match choice.finish {
        Finish::Stop => "end_turn",
        Finish::Length => "max_tokens",
        Finish::Tool => "tool_use",
    }
}

pub(super) fn models(models: &[String]) -> Value {
    json!({
        "data": models.iter().map(|id| model(id)).collect::<Vec<_>>(),
        "has_more": false, "first_id": models.first(), "last_id": models.last(),
    })
}

pub(super) fn model(id: &str) -> Value {
    json!({"type": "model", "id": id, "display_name": id, "created_at": "2023-11-14T22:13:20Z"})
}
