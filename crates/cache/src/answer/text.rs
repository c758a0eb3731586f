use dashpot_wire::dialect::Dialect;
use serde_json::Value;

/// What an answer that is kept says: its texts, one behind the other, and whatever else is in it as JSON, without what is
/// new in every answer. `None` if there is nothing, or it cannot be read.
pub(crate) fn text(dialect: Dialect, answer: &[u8]) -> Option<String> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    let mut said = Vec::new();
    match dialect {
        Dialect::OpenAiChat => {
            for choice in list(&answer["choices"]) {
                let message = &choice["message"];
                say(&mut said, &message["content"]);
                for other in ["tool_calls", "function_call", "refusal"] {
                    say_other(&mut said, &message[other]);
                }
            }
        }
        Dialect::OpenAiResponses => {
            for item in list(&answer["output"]) {
                match item["type"].as_str() {
                    Some("message") => say(&mut said, &item["content"]),
                    Some("reasoning") => {}
                    _ => say_other(&mut said, item),
                }
            }
        }
        Dialect::AnthropicMessages => say(&mut said, &answer["content"]),
        // The others have no questions that could be similar.
        _ => return None,
    }
    (!said.is_empty()).then(|| said.join("\n"))
}

/// A text, or a list of parts.
fn say(said: &mut Vec<String>, content: &Value) {
    if let Some(text) = content.as_str() {
        said.push(text.to_owned());
    }
    for part in list(content) {
        match (part["type"].as_str(), part["text"].as_str()) {
            (Some("text" | "output_text"), Some(text)) => said.push(text.to_owned()),
            // What a model thought on its way is no part of what it says.
            (Some("thinking" | "redacted_thinking"), _) => {}
            _ => say_other(said, part),
        }
    }
}

fn say_other(said: &mut Vec<String>, other: &Value) {
    if !other.is_null() {
        let mut other = other.clone();
        forget_ids(&mut other);
        said.push(other.to_string());
    }
}

fn forget_ids(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(forget_ids),
        Value::Object(fields) => {
            for id in ["id", "call_id", "status"] {
                fields.remove(id);
            }
            fields.values_mut().for_each(forget_ids);
        }
        _ => {}
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(dialect: Dialect, answer: &Value) -> Option<String> {
        text(dialect, answer.to_string().as_bytes())
    }

    #[test]
    fn every_api_says_its_text() {
        for (dialect, answer) in [
            (Dialect::OpenAiChat, json!({"choices": [{"message": {"content": "a\nb"}}]})),
            (
                Dialect::OpenAiChat,
                json!({"choices": [{"message": {"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}}]}),
            ),
            (
                Dialect::OpenAiResponses,
                json!({"output": [
                    {"type": "reasoning", "summary": []},
                    {"type": "message", "content": [{"type": "output_text", "text": "a"}]},
                    {"type": "message", "content": [{"type": "output_text", "text": "b"}]},
                ]}),
            ),
            (
                Dialect::AnthropicMessages,
                json!({"content": [
                    {"type": "thinking", "thinking": "hm", "signature": "x"},
                    {"type": "text", "text": "a"},
                    {"type": "text", "text": "b"},
                ]}),
            ),
        ] {
            assert_eq!(said(dialect, &answer).as_deref(), Some("a\nb"), "{answer}");
        }
    }

    #[test]
    fn calls_are_told_apart_by_what_they_ask_and_not_by_their_ids() {
        let chat = |id: &str, city: &str| {
            let call =
                json!({"id": id, "type": "function", "function": {"name": "weather", "arguments": city}});
            let answer = json!({"choices": [{"message": {"content": null, "tool_calls": [call]}}]});
            said(Dialect::OpenAiChat, &answer).unwrap()
        };
        let responses = |id: &str, city: &str| {
            let call = json!({"id": id, "call_id": id, "type": "function_call", "arguments": city});
            said(Dialect::OpenAiResponses, &json!({"output": [call]})).unwrap()
        };
        let messages = |id: &str, city: &str| {
            let call = json!({"id": id, "type": "tool_use", "name": "weather", "input": {"city": city}});
            said(Dialect::AnthropicMessages, &json!({"content": [call]})).unwrap()
        };
        for say in [&chat as &dyn Fn(&str, &str) -> String, &responses, &messages] {
            assert_eq!(say("1", "Rome"), say("2", "Rome"));
            assert_ne!(say("1", "Rome"), say("1", "Oslo"));
        }
    }

    #[test]
    fn what_says_nothing_cannot_be_compared() {
        assert_eq!(said(Dialect::OpenAiChat, &json!({"choices": [{"message": {}}]})), None);
        assert_eq!(said(Dialect::OpenAiEmbeddings, &json!({"data": []})), None);
        assert_eq!(text(Dialect::OpenAiChat, b"no JSON"), None);
    }
}
