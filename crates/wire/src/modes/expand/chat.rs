use serde_json::{Value, json};

use super::{super::Object, ExpandError, Stream, emptied, is_list_of_objects, objects};

/// Texts of a message, in the order in which models write them. Reasoning is DeepSeek's and vLLM's, or OpenRouter's.
const TEXTS: [&str; 4] = ["reasoning_content", "reasoning", "content", "refusal"];

pub(super) fn expand(answer: &Object, include_usage: bool, stream: &mut Stream) -> Result<(), ExpandError> {
    if !is_list_of_objects(answer.get("choices")) {
        return Err(ExpandError("an answer of chat completions has a list of choices"));
    }
    let mut chunks = Chunks { first: Some(answer), head: head(answer), include_usage, stream };
    if include_usage && answer.contains_key("usage") {
        chunks.head.insert("usage".into(), Value::Null);
    }
    for (position, choice) in objects(answer.get("choices")) {
        let index = choice.get("index").cloned().unwrap_or_else(|| position.into());
        expand_choice(index, choice, &mut chunks);
    }
    chunks.end(answer);
    Ok(())
}

/// What every chunk repeats.
fn head(answer: &Object) -> Object {
    let mut head = Object::new();
    for key in ["id", "created", "model", "service_tier", "system_fingerprint"] {
        if let Some(value) = answer.get(key) {
            head.insert(key.into(), value.clone());
        }
    }
    head.insert("object".into(), "chat.completion.chunk".into());
    head
}

fn expand_choice(index: Value, choice: &Object, chunks: &mut Chunks<'_>) {
    // Those that come later, and are null before.
    let mut quiet = Object::new();
    for key in ["finish_reason", "logprobs"] {
        if choice.contains_key(key) {
            quiet.insert(key.into(), Value::Null);
        }
    }
    quiet.insert("index".into(), index);
    let delta = |delta: Value| {
        let mut choice = quiet.clone();
        choice.insert("delta".into(), delta);
        choice
    };
    // OpenAI's library keeps of the first chunk what it does not know, and of no other.
    let known = ["delta", "finish_reason", "index", "logprobs", "message"];
    let unknown = choice.iter().filter(|(key, _)| !known.contains(&key.as_str()));
    let mut unknown = Some(unknown.map(|(key, value)| (key.clone(), value.clone())));
    let mut logprobs = choice.get("logprobs");
    if let Some(Value::Object(message)) = choice.get("message") {
        let (mut opening, texts) = emptied(message, &TEXTS);
        let calls = message.get("tool_calls").filter(|calls| is_list_of_objects(Some(calls)));
        if calls.is_some_and(|calls| *calls != json!([])) {
            opening.remove("tool_calls");
        }
        let mut first = delta(Value::Object(opening));
        first.extend(unknown.take().into_iter().flatten());
        chunks.choice(first);
        let pieces = |(field, text)| chunks.stream.pieces(text).map(move |piece| (field, piece));
        for (field, text) in texts.into_iter().flat_map(pieces).collect::<Vec<_>>() {
            let mut piece = delta(json!({ field: text }));
            if matches!(field, "content" | "refusal")
                && let Some(logprobs) = logprobs.take()
            {
                piece.insert("logprobs".into(), logprobs.clone());
            }
            chunks.choice(piece);
        }
        for (index, call) in objects(calls) {
            expand_call(index, call, |call| chunks.choice(delta(json!({"tool_calls": [call]}))));
        }
    }
    let mut last = delta(json!({}));
    last.extend(unknown.into_iter().flatten());
    if let Some(finish) = choice.get("finish_reason") {
        last.insert("finish_reason".into(), finish.clone());
    }
    if let Some(logprobs) = logprobs {
        last.insert("logprobs".into(), logprobs.clone());
    }
    chunks.choice(last);
}

/// The call with its name, then what the model wrote for it.
fn expand_call(index: usize, call: &Object, mut piece: impl FnMut(Value)) {
    let mut opening = call.clone();
    opening.insert("index".into(), index.into());
    let mut written = None;
    for (field, text) in [("function", "arguments"), ("custom", "input")] {
        let Some(Value::Object(inner)) = call.get(field) else { continue };
        let (inner, texts) = emptied(inner, &[text]);
        opening.insert(field.into(), inner.into());
        for (text, value) in texts {
            written = Some(json!({"index": index, field: {text: value}}));
        }
    }
    piece(Value::Object(opening));
    written.into_iter().for_each(piece);
}

struct Chunks<'a> {
    /// The answer whose other fields the first chunk states.
    first: Option<&'a Object>,
    head: Object,
    include_usage: bool,
    stream: &'a mut Stream,
}

impl Chunks<'_> {
    fn choice(&mut self, choice: Object) {
        if self.stream.is_full() {
            return;
        }
        self.write(self.head.clone(), json!([choice]));
    }

    fn end(&mut self, answer: &Object) {
        let mut last = self.head.clone();
        match answer.get("usage") {
            Some(usage) if self.include_usage => {
                last.insert("usage".into(), usage.clone());
                self.write(last, json!([]));
            }
            // An answer without choices.
            _ if self.first.is_some() => self.write(last, json!([])),
            _ => {}
        }
        self.stream.write("", "[DONE]");
    }

    fn write(&mut self, mut chunk: Object, choices: Value) {
        for (key, value) in self.first.take().into_iter().flatten() {
            if !matches!(key.as_str(), "choices" | "object" | "usage") {
                chunk.insert(key.clone(), value.clone());
            }
        }
        chunk.insert("choices".into(), choices);
        self.stream.data(&Value::Object(chunk));
    }
}
