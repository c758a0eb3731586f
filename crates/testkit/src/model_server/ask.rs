use serde_json::{Map, Value};

use super::text;

/// The endpoints that make something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Api {
    Chat,
    Responses,
    Completions,
    Embeddings,
    Messages,
}

impl Api {
    pub(super) fn from_path(path: &str) -> Option<Self> {
        Some(match path {
            "/v1/chat/completions" => Self::Chat,
            "/v1/responses" => Self::Responses,
            "/v1/completions" => Self::Completions,
            "/v1/embeddings" => Self::Embeddings,
            "/v1/messages" => Self::Messages,
            _ => return None,
        })
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Chat => "openai-chat",
            Self::Responses => "openai-responses",
            Self::Completions => "openai-completions",
            Self::Embeddings => "openai-embeddings",
            Self::Messages => "anthropic-messages",
        }
    }
}

/// A request, as far as it shapes the answer.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) model: String,
    pub(super) stream: bool,
    /// Answers to make: `n`, times the prompts of a legacy completion.
    pub(super) n: u64,
    pub(super) max_tokens: Option<u64>,
    pub(super) input_tokens: u64,
    pub(super) tool: Option<Tool>,
    /// The schema of a structured output.
    pub(super) schema: Option<Value>,
    /// Of the seed, the endpoint and the body, but for how the answer is to be sent: a stream says what the whole
    /// answer would have said.
    pub(super) hash: u64,
    pub(super) body: Map<String, Value>,
}

/// A tool that the answer calls.
#[derive(Debug)]
pub(super) struct Tool {
    pub(super) name: String,
    pub(super) schema: Value,
}

impl Ask {
    /// Reads a request body; the error is for the caller to read.
    pub(super) fn read(api: Api, seed: u64, body: &[u8]) -> Result<Self, String> {
        let body: Value = serde_json::from_slice(body).map_err(|e| format!("the body is not JSON: {e}"))?;
        let Value::Object(mut body) = body else {
            return Err("the body is not a JSON object".into());
        };
        let Some(model) = body.get("model").and_then(Value::as_str).map(str::to_owned) else {
            return Err("model: a string is required".into());
        };
        let stream = match body.get("stream") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(stream)) => *stream && api != Api::Embeddings,
            Some(_) => return Err("stream: must be a boolean".into()),
        };
        let content = content(api, &body)?;
        let n = match (api, content) {
            (Api::Chat, _) => number(&body, "n")?.unwrap_or(1),
            (Api::Completions, Value::Array(prompts)) if prompts.iter().any(|p| !p.is_number()) => {
                number(&body, "n")?.unwrap_or(1).saturating_mul(prompts.len() as u64)
            }
            (Api::Completions, _) => number(&body, "n")?.unwrap_or(1),
            _ => 1,
        };
        if !(1..=128).contains(&n) {
            return Err("n: with all prompts, must be from 1 to 128".into());
        }
        let limits = ["max_completion_tokens", "max_output_tokens", "max_tokens"];
        let mut max_tokens = None;
        for limit in limits {
            max_tokens = max_tokens.or(number(&body, limit)?);
        }
        match (api, max_tokens) {
            (_, Some(0)) => return Err("max_tokens: must be at least 1".into()),
            (Api::Messages, None) => return Err("max_tokens: a number is required".into()),
            _ => {}
        }
        let read = ["system", "instructions", "tools"].map(|name| body.get(name).map_or(0, letters));
        let input_tokens = (letters(content) + read.iter().sum::<u64>()).div_ceil(4).max(1);
        let (tool, schema) = (tool(&body, content), schema(&body));
        let sent_as = [body.remove("stream"), body.remove("stream_options")];
        let text = format!("{} {}", api.name(), Value::Object(body.clone()));
        let hash = text::hash(seed, text.as_bytes());
        for (name, value) in ["stream", "stream_options"].into_iter().zip(sent_as) {
            body.extend(value.map(|value| (name.to_owned(), value)));
        }
        Ok(Self { model, stream, n, max_tokens, input_tokens, tool, schema, hash, body })
    }

    /// Whether a stream ends with its usage.
    pub(super) fn include_usage(&self) -> bool {
        self.body.get("stream_options").is_some_and(|options| options["include_usage"] == true)
    }
}

/// What the model is to answer, checked as far as a client is likely to get it wrong.
fn content(api: Api, body: &Map<String, Value>) -> Result<&Value, String> {
    let name = match api {
        Api::Chat | Api::Messages => "messages",
        Api::Responses | Api::Embeddings => "input",
        Api::Completions => "prompt",
    };
    let content = body.get(name).unwrap_or(&Value::Null);
    let fine = match (api, content) {
        (_, Value::Array(list)) if list.is_empty() => false,
        (Api::Chat | Api::Messages, Value::Array(list)) => {
            list.iter().all(|message| message["role"].is_string())
        }
        (Api::Chat | Api::Messages, _) => false,
        (_, Value::Array(_) | Value::String(_)) => true,
        _ => false,
    };
    fine.then_some(content).ok_or_else(|| format!("{name}: absent, empty or not of the right shape"))
}

fn number(body: &Map<String, Value>, name: &str) -> Result<Option<u64>, String> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_u64().map(Some).ok_or_else(|| format!("{name}: must be a whole number")),
    }
}

/// Characters in all strings within, which four to a token stand for what was read.
fn letters(value: &Value) -> u64 {
    match value {
        Value::String(text) => text.chars().count() as u64,
        Value::Array(list) => list.iter().map(letters).sum(),
        Value::Object(map) => map.values().map(letters).sum(),
        // A prompt of token numbers.
        Value::Number(_) => 4,
        Value::Null | Value::Bool(_) => 0,
    }
}

/// The tool to call: the one that is forced, or one that the last message, if a user's, mentions by a part of its name.
fn tool(body: &Map<String, Value>, content: &Value) -> Option<Tool> {
    let tools: Vec<Tool> = body.get("tools")?.as_array()?.iter().filter_map(read_tool).collect();
    let choice = body.get("tool_choice").unwrap_or(&Value::Null);
    let word = choice.as_str().or(choice["type"].as_str()).unwrap_or("auto");
    let named = choice["name"].as_str().or(choice["function"]["name"].as_str());
    let said = last_user_text(content).unwrap_or_default().to_lowercase();
    let mentioned = |tool: &Tool| {
        let name = tool.name.to_lowercase();
        name.split(|c: char| !c.is_alphanumeric()).any(|part| part.len() > 3 && said.contains(part))
    };
    let pick = match (word, named) {
        ("none", _) => None,
        (_, Some(name)) => Some(tools.iter().position(|tool| tool.name == name)?),
        ("required" | "any", None) => Some(tools.iter().position(mentioned).unwrap_or(0)),
        _ => tools.iter().position(mentioned),
    };
    tools.into_iter().nth(pick?)
}

fn read_tool(tool: &Value) -> Option<Tool> {
    // Chat completions nest what the other two have at the top.
    let tool = tool.get("function").unwrap_or(tool);
    let schema = tool.get("parameters").or(tool.get("input_schema")).cloned().unwrap_or_default();
    Some(Tool { name: tool["name"].as_str()?.to_owned(), schema })
}

fn last_user_text(content: &Value) -> Option<String> {
    let Some(messages) = content.as_array() else {
        return content.as_str().map(str::to_owned);
    };
    let last = messages.last().filter(|message| message["role"] == "user")?;
    match &last["content"] {
        Value::String(text) => Some(text.clone()),
        parts => Some(parts.as_array()?.iter().filter_map(|part| part["text"].as_str()).collect()),
    }
}

/// The schema of a structured output, wherever this API has it; an empty one where any JSON will do.
fn schema(body: &Map<String, Value>) -> Option<Value> {
    let formats = [
        body.get("response_format"),
        body.get("text").map(|text| &text["format"]),
        body.get("output_config").map(|config| &config["format"]),
        body.get("output_format"),
    ];
    let format = formats.into_iter().flatten().find(|format| format.is_object())?;
    match format["type"].as_str()? {
        "json_schema" => format.get("schema").or(format["json_schema"].get("schema")).cloned(),
        "json_object" => {
            Some(serde_json::json!({"type": "object", "properties": {"answer": {"type": "string"}}}))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ask(api: Api, body: Value) -> Result<Ask, String> {
        Ask::read(api, 0, body.to_string().as_bytes())
    }

    #[test]
    fn how_it_is_sent_does_not_change_what_is_said() {
        let messages = json!([{"role": "user", "content": "hi"}]);
        let whole = ask(Api::Chat, json!({"model": "m", "messages": messages})).unwrap();
        let stream = json!({"stream_options": {"include_usage": true}, "stream": true, "model": "m", "messages": messages});
        let stream = ask(Api::Chat, stream).unwrap();
        assert_eq!(whole.hash, stream.hash);
        assert!(stream.stream && stream.include_usage() && !whole.stream);
        let other = ask(Api::Chat, json!({"model": "n", "messages": messages})).unwrap();
        assert_ne!(whole.hash, other.hash);
        assert_ne!(whole.hash, ask(Api::Responses, json!({"model": "m", "input": "hi"})).unwrap().hash);
    }

    #[test]
    fn a_tool_is_called_when_it_is_mentioned_or_forced() {
        let tools = json!([{"name": "get_time"}, {"type": "function", "function": {"name": "get_weather"}}]);
        let picked = |said: &str, choice: Value| {
            let messages = json!([{"role": "user", "content": [{"type": "text", "text": said}]}]);
            let body = json!({"model": "m", "messages": messages, "tools": tools, "tool_choice": choice});
            ask(Api::Chat, body).unwrap().tool.map(|tool| tool.name)
        };
        assert_eq!(picked("The weather in Oslo?", json!(null)).as_deref(), Some("get_weather"));
        assert_eq!(picked("Get on with it", json!("auto")), None);
        assert_eq!(picked("The weather?", json!("none")), None);
        assert_eq!(picked("Hello", json!("required")).as_deref(), Some("get_time"));
        assert_eq!(
            picked("Hello", json!({"type": "tool", "name": "get_weather"})).as_deref(),
            Some("get_weather")
        );
        assert_eq!(picked("Hello", json!({"type": "any"})).as_deref(), Some("get_time"));
    }

    #[test]
    fn a_tool_result_is_answered_in_words() {
        let messages = json!([
            {"role": "user", "content": "weather?"},
            {"role": "tool", "tool_call_id": "1", "content": "weather is 3"},
        ]);
        let body = json!({"model": "m", "messages": messages, "tools": [{"name": "weather"}]});
        assert!(ask(Api::Chat, body).unwrap().tool.is_none());
    }

    #[test]
    fn what_is_wrong_with_a_request_is_said() {
        for (api, body, what) in [
            (Api::Chat, json!([]), "object"),
            (Api::Chat, json!({"messages": []}), "model"),
            (Api::Chat, json!({"model": "m", "messages": []}), "messages"),
            (Api::Chat, json!({"model": "m", "messages": ["hi"]}), "messages"),
            (Api::Responses, json!({"model": "m"}), "input"),
            (Api::Completions, json!({"model": "m", "prompt": "x", "n": 0}), "n:"),
            (Api::Completions, json!({"model": "m", "prompt": "x", "n": 1.5}), "n:"),
            (Api::Completions, json!({"model": "m", "prompt": ["x", "y"], "n": 65}), "n:"),
            (Api::Completions, json!({"model": "m", "prompt": "x", "stream": 1}), "stream"),
            (Api::Messages, json!({"model": "m", "messages": [{"role": "user"}]}), "max_tokens"),
        ] {
            let error = ask(api, body).unwrap_err();
            assert!(error.contains(what), "{error}");
        }
        assert!(Ask::read(Api::Chat, 0, b"{\"model\":").unwrap_err().contains("not JSON"));
    }
}
