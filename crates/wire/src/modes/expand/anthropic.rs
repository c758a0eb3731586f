use serde_json::{Value, json};

use super::{
    super::Object, ExpandError, Pieces, Stream, emptied, is_list_of_objects, objects, without_entries,
};

pub(super) fn expand(answer: &Object, stream: &mut Stream) -> Result<(), ExpandError> {
    if !is_list_of_objects(answer.get("content")) {
        return Err(ExpandError("an answer of messages has a list of content blocks"));
    }
    let (message, end) = split(answer);
    stream.typed("message_start", json!({"message": message}));
    for (index, block) in objects(answer.get("content")) {
        expand_block(index, block, stream);
    }
    stream.typed("message_delta", end);
    stream.typed("message_stop", json!({}));
    Ok(())
}

/// What is known at the start, and what only at the end, as the API divides it.
fn split(answer: &Object) -> (Object, Value) {
    let mut message = without_entries(answer.clone(), "content");
    let (mut delta, mut counts) = (Object::new(), Object::new());
    for key in ["stop_reason", "stop_sequence", "stop_details", "container"] {
        if let Some(value) = message.get_mut(key) {
            delta.insert(key.into(), value.take());
        }
    }
    let mut end = json!({"delta": delta});
    if let Some(Value::Object(usage)) = message.get_mut("usage") {
        for (key, count) in usage.iter() {
            // Counts, and objects of counts; the others do not change.
            if count.is_u64() || matches!(key.as_str(), "server_tool_use" | "output_tokens_details") {
                counts.insert(key.clone(), count.clone());
            }
        }
        if let Some(output) = usage.get_mut("output_tokens").filter(|output| output.is_u64()) {
            *output = 0.into();
        }
        end["usage"] = counts.into();
    }
    (message, end)
}

fn expand_block(index: usize, block: &Object, stream: &mut Stream) {
    let fields: &[&str] = match block.get("type").and_then(Value::as_str) {
        Some("text") => &["text"],
        Some("thinking") => &["thinking", "signature"],
        _ => &[],
    };
    let (mut opening, texts) = emptied(block, fields);
    let mut deltas = Vec::new();
    if fields == ["text"] {
        for citation in block.get("citations").and_then(Value::as_array).into_iter().flatten() {
            deltas.push(json!({"type": "citations_delta", "citation": citation}));
        }
        opening = without_entries(opening, "citations");
    }
    if let Some(input) = opening.get_mut("input")
        && *input != json!({})
    {
        deltas.push(json!({"type": "input_json_delta", "partial_json": input.to_string()}));
        *input = json!({});
    }
    stream.typed("content_block_start", json!({"index": index, "content_block": opening}));
    for (field, text) in texts {
        // A signature is no text, and each replaces the last.
        let pieces = if field == "signature" { Pieces::new(text, usize::MAX) } else { stream.pieces(text) };
        for piece in pieces {
            let delta = json!({"type": format!("{field}_delta"), field: piece});
            stream.typed("content_block_delta", json!({"index": index, "delta": delta}));
        }
    }
    for delta in deltas {
        stream.typed("content_block_delta", json!({"index": index, "delta": delta}));
    }
    stream.typed("content_block_stop", json!({"index": index}));
}
