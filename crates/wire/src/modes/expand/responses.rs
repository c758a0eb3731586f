use serde_json::{Value, json};

use super::{
    super::Object, ExpandError, Stream, emptied, is_list_of_objects, objects, with, without_entries,
};

pub(super) fn expand(answer: &Object, stream: &mut Stream) -> Result<(), ExpandError> {
    if !is_list_of_objects(answer.get("output")) {
        return Err(ExpandError("an answer of responses has a list of output items"));
    }
    let last = match answer.get("status").and_then(Value::as_str) {
        None | Some("completed") => "response.completed",
        Some("incomplete") => "response.incomplete",
        Some("failed") => "response.failed",
        Some(_) => return Err(ExpandError("the response is not finished")),
    };
    let mut started = without_entries(answer.clone(), "output");
    started.insert("status".into(), "in_progress".into());
    for key in ["completed_at", "error", "incomplete_details", "usage"] {
        if let Some(value) = started.get_mut(key) {
            *value = Value::Null;
        }
    }
    stream.numbered("response.created", json!({"response": started}));
    stream.numbered("response.in_progress", json!({"response": started}));
    for (index, item) in objects(answer.get("output")) {
        expand_item(index, item, stream);
    }
    stream.numbered(last, json!({"response": answer}));
    Ok(())
}

fn expand_item(index: usize, item: &Object, stream: &mut Stream) {
    let kind = item.get("type").and_then(Value::as_str).unwrap_or_default();
    // What the model writes as one text: its field, and what the events are called.
    let text = match kind {
        "function_call" => Some(("arguments", "function_call_arguments")),
        "mcp_call" => Some(("arguments", "mcp_call_arguments")),
        "custom_tool_call" => Some(("input", "custom_tool_call_input")),
        "code_interpreter_call" => Some(("code", "code_interpreter_call_code")),
        _ => None,
    };
    let (mut opening, texts) = emptied(item, text.as_ref().map(|(field, _)| &**field).as_slice());
    if matches!(kind, "message" | "reasoning") {
        opening = without_entries(without_entries(opening, "content"), "summary");
    }
    if let Some(status) = opening.get_mut("status") {
        *status = "in_progress".into();
    }
    stream.numbered("response.output_item.added", json!({"output_index": index, "item": opening}));
    let mut events = Events {
        place: json!({"output_index": index, "item_id": item.get("id").unwrap_or(&"".into())}),
        stream,
    };
    if let Some((field, name)) = text {
        for (_, text) in &texts {
            events.write(&format!("response.{name}.delta"), json!({"delta": text}));
        }
        let mut done = json!({ field: item.get(field).unwrap_or(&"".into()) });
        if let (Some(called), "function_call") = (item.get("name"), kind) {
            done["name"] = called.clone();
        }
        events.write(&format!("response.{name}.done"), done);
    }
    for (index, part) in objects(item.get("summary").filter(|_| kind == "reasoning")) {
        events.summary(index, part);
    }
    for (index, part) in objects(item.get("content").filter(|_| matches!(kind, "message" | "reasoning"))) {
        events.content(index, part);
    }
    stream.numbered("response.output_item.done", json!({"output_index": index, "item": item}));
}

/// The events of one item.
struct Events<'a> {
    place: Value,
    stream: &'a mut Stream,
}

impl Events<'_> {
    fn write(&mut self, kind: &str, data: Value) {
        if self.stream.is_full() {
            return;
        }
        self.stream.numbered(kind, with(data, &self.place));
    }

    fn summary(&mut self, index: usize, part: &Object) {
        let at = json!({"summary_index": index});
        let (opening, texts) = emptied(part, &["text"]);
        self.write("response.reasoning_summary_part.added", with(json!({"part": opening}), &at));
        for (field, text) in texts {
            for piece in self.stream.pieces(text) {
                self.write("response.reasoning_summary_text.delta", with(json!({"delta": piece}), &at));
            }
            self.write("response.reasoning_summary_text.done", with(json!({ field: text }), &at));
        }
        self.write("response.reasoning_summary_part.done", with(json!({"part": part}), &at));
    }

    fn content(&mut self, index: usize, part: &Object) {
        let at = json!({"content_index": index});
        let (field, name) = match part.get("type").and_then(Value::as_str) {
            Some("refusal") => ("refusal", "refusal"),
            Some("reasoning_text") => ("text", "reasoning_text"),
            _ => ("text", "output_text"),
        };
        let (opening, texts) = emptied(part, &[field]);
        let opening = without_entries(without_entries(opening, "annotations"), "logprobs");
        self.write("response.content_part.added", with(json!({"part": opening}), &at));
        for (field, text) in texts {
            let mut done = json!({ field: text });
            let mut logprobs = None;
            if name == "output_text" {
                let all = part.get("logprobs").filter(|logprobs| logprobs.is_array());
                let all = all.cloned().unwrap_or_else(|| json!([]));
                done["logprobs"] = all.clone();
                logprobs = Some(all);
            }
            for piece in self.stream.pieces(text) {
                let mut delta = json!({"delta": piece});
                // All of them with the first piece.
                if let Some(logprobs) = &mut logprobs {
                    delta["logprobs"] = std::mem::replace(logprobs, json!([]));
                }
                self.write(&format!("response.{name}.delta"), with(delta, &at));
            }
            for (index, annotation) in
                part.get("annotations").and_then(Value::as_array).into_iter().flatten().enumerate()
            {
                let annotation = json!({"annotation_index": index, "annotation": annotation});
                self.write("response.output_text.annotation.added", with(annotation, &at));
            }
            self.write(&format!("response.{name}.done"), with(done, &at));
        }
        self.write("response.content_part.done", with(json!({"part": part}), &at));
    }
}
