//! What is collected of a stream is what the official Python SDKs' own accumulators make of the same bytes, and what is
//! expanded of a whole answer they read as that answer.

use std::{fs, path::Path};

use bytes::Bytes;
use dashpot_testkit::model_server::{Config, Fault, FaultRule, ModelServer};
use dashpot_wire::{
    dialect::Dialect,
    modes::{Collect, CollectError, expand},
};
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::{Value, json};

mod support;

/// The SDK skips the events of Azure's filter; the others leave out that an item is done, which it insists on.
const APART: [&str; 4] =
    ["openai_chat_azure", "openai_responses", "openai_responses_incomplete", "openai_responses_tools"];

/// A stream, where it is from, and what was expanded to it, if anything.
struct Case {
    name: String,
    dialect: Dialect,
    stream: Vec<u8>,
    answer: Option<Value>,
}

impl Case {
    fn new(name: impl Into<String>, dialect: Dialect, stream: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), dialect, stream: stream.into(), answer: None }
    }

    fn expanded(name: impl Into<String>, dialect: Dialect, answer: Value) -> Self {
        let stream = expand(dialect, &answer, true, 1 << 20).expect("it is a whole answer");
        Self { name: format!("{} expanded", name.into()), dialect, stream, answer: Some(answer) }
    }

    /// Collected in chunks that cut everything.
    fn collect(&self) -> Result<Value, CollectError> {
        let mut collect = Collect::new(self.dialect, 1 << 20).expect("one of the three");
        self.stream.chunks(5).try_for_each(|chunk| collect.push(chunk))?;
        collect.finish()
    }
}

#[test]
fn streams_written_by_hand_come_to_what_the_sdks_make_of_them() {
    let mut cases = by_hand("crates/wire/tests/modes/streams");
    cases.extend(by_hand("crates/wire/tests/dialect/streams"));
    cases.retain(|case| !APART.contains(&&*case.name));
    assert!(cases.len() > 20);
    let whole: Vec<_> = cases.iter().filter_map(|case| Some((case, case.collect().ok()?))).collect();
    let expanded = whole.into_iter().map(|(case, answer)| Case::expanded(&case.name, case.dialect, answer));
    let expanded: Vec<_> = expanded.collect();
    assert!(expanded.len() > 10);
    cases.extend(expanded);
    compare(&cases);
}

#[test]
fn whole_answers_with_the_rarer_kinds_of_content_are_read_back_by_the_sdks() {
    let chat = json!({
        "id": "c", "object": "chat.completion", "created": 1, "model": "m", "usage": {"total_tokens": 1}, "choices": [
            {"index": 0, "finish_reason": "tool_calls", "logprobs": null, "message": {"role": "assistant", "content": null,
                "tool_calls": [
                    {"id": "a", "type": "custom", "custom": {"name": "f", "input": "x"}},
                    {"id": "b", "type": "function", "function": {"name": "g", "arguments": ""}}]}},
            {"index": 1, "finish_reason": "stop", "logprobs": null, "message": {"role": "assistant", "content": "c",
                "annotations": [{"type": "url_citation", "url_citation": {"url": "u"}}, {"type": "url_citation"}],
                "audio": {"id": "audio_1", "data": "AAAA", "transcript": "t", "expires_at": 9}}},
            {"index": 2, "finish_reason": "function_call", "logprobs": null, "message": {"role": "assistant",
                "content": null, "function_call": {"name": "f", "arguments": "{}"}}}],
    });
    let responses = json!({
        "id": "r", "object": "response", "created_at": 1, "status": "completed", "model": "m", "output": [
            {"id": "ct", "type": "custom_tool_call", "call_id": "c", "name": "f", "input": "x"},
            {"id": "mcp", "type": "mcp_call", "name": "f", "arguments": "{}", "server_label": "s", "output": "o"},
            {"id": "ci", "type": "code_interpreter_call", "status": "completed", "code": "1", "container_id": "k"},
            {"id": "ws", "type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "q"}},
            {"id": "rs", "type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "t"}]},
            {"id": "ig", "type": "image_generation_call", "status": "completed", "result": "AAAA"}],
    });
    let messages = json!({
        "id": "msg", "type": "message", "role": "assistant", "model": "m", "stop_reason": "refusal", "stop_sequence": null,
        "usage": {"input_tokens": 1, "output_tokens": 2}, "container": {"id": "k", "expires_at": "2026-01-01T00:00:00Z"},
        "content": [
            {"type": "server_tool_use", "id": "s", "name": "code_execution", "input": {"code": "1\n2"}},
            {"type": "code_execution_tool_result", "tool_use_id": "s", "content": {"type": "code_execution_result",
                "stdout": "", "stderr": "", "return_code": 0, "content": []}},
            {"type": "text", "text": "a", "citations": [{"type": "char_location", "cited_text": "c"}, {"type": "page_location"}]},
            {"type": "tool_use", "id": "t", "name": "g", "input": {"list": [{"a": 1e300}, [], {}], "": "😀"}}],
    });
    compare(&[
        Case::expanded("chat", Dialect::OpenAiChat, chat),
        Case::expanded("responses", Dialect::OpenAiResponses, responses),
        Case::expanded("messages", Dialect::AnthropicMessages, messages),
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_of_the_model_server_come_to_what_the_sdks_make_of_them_and_to_its_whole_answers() {
    let model = ModelServer::start(Config::instant()).expect("it starts");
    let mut cases = Vec::new();
    for (name, path, request) in requests() {
        let dialect = Dialect::from_path(path).expect("one of the three");
        let stream = ask(&model, path, &request, true).await;
        let case = Case::new(name, dialect, stream);
        let whole: Value = serde_json::from_slice(&ask(&model, path, &request, false).await).expect("JSON");
        assert_eq!(comparable(case.collect().expect("it is whole")), comparable(whole.clone()), "{name}");
        cases.extend([case, Case::expanded(name, dialect, whole)]);
    }
    compare(&cases);
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_in_streams_of_the_model_server_are_errors_to_the_sdks_too() {
    let fault: Fault = "stream-error".parse().expect("a fault");
    let model = ModelServer::start(Config { faults: vec![FaultRule::rate(fault, 1.0)], ..Config::instant() });
    let model = model.expect("it starts");
    let mut cases = Vec::new();
    for (name, path, request) in requests() {
        let stream = ask(&model, path, &request, true).await;
        cases.push(Case::new(name, Dialect::from_path(path).expect("one of the three"), stream));
    }
    assert!(cases.iter().all(|case| matches!(case.collect(), Err(CollectError::Upstream { .. }))));
    compare(&cases);
}

fn compare(cases: &[Case]) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut accumulate = support::python("accumulate.py");
    for (number, case) in cases.iter().enumerate() {
        let file = folder.path().join(number.to_string());
        fs::write(&file, &case.stream).expect("a file");
        accumulate.arg(case.dialect.name()).arg(file);
    }
    let said = support::run(&mut accumulate);
    let said: Vec<&[u8]> = said.trim_ascii().split(|&byte| byte == b'\n').collect();
    assert_eq!(said.len(), cases.len());
    for (case, said) in cases.iter().zip(said) {
        let said: Value = serde_json::from_slice(said).expect("JSON");
        match case.collect() {
            Ok(answer) => assert_eq!(comparable(answer), comparable(said.clone()), "{}", case.name),
            Err(error) => assert!(said["raised"].is_string(), "{}: {error:?}, but {said}", case.name),
        }
        if let Some(answer) = &case.answer {
            assert_eq!(comparable(answer.clone()), comparable(said), "{}", case.name);
        }
    }
}

/// Without what the SDKs add: fields that are null, what they parse, the index of a tool call, and that a time has a
/// fraction; and without lists of no annotations, which only whole answers of chat have.
fn comparable(value: Value) -> Value {
    match value {
        Value::Object(object) => object
            .into_iter()
            .filter(|(key, value)| !value.is_null() && key != "parsed" && key != "parsed_arguments")
            .filter(|(key, value)| key != "annotations" || *value != json!([]))
            .map(|(key, mut value)| {
                if let (Value::Array(calls), "tool_calls") = (&mut value, key.as_str()) {
                    let calls = calls.iter_mut().filter_map(Value::as_object_mut);
                    calls.for_each(|call| drop(call.remove("index")));
                }
                (key, comparable(value))
            })
            .collect(),
        Value::Array(list) => list.into_iter().map(comparable).collect(),
        Value::Number(number) => match number.as_f64() {
            Some(real) if number.is_f64() && real.fract() == 0.0 && real.abs() < 1e15 => json!(real as i64),
            _ => Value::Number(number),
        },
        other => other,
    }
}

/// The streams in a folder, of the three dialects.
fn by_hand(folder: &str) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut cases = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("a folder that can be listed").path();
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
        let dialect = match name.split('_').take(2).collect::<Vec<_>>()[..] {
            ["openai", "chat"] => Dialect::OpenAiChat,
            ["openai", "responses"] => Dialect::OpenAiResponses,
            ["anthropic", ..] => Dialect::AnthropicMessages,
            _ => continue,
        };
        cases.push(Case::new(name, dialect, fs::read(&path).expect("a file")));
    }
    cases
}

fn requests() -> Vec<(&'static str, &'static str, Value)> {
    const CHAT: &str = "/v1/chat/completions";
    const RESPONSES: &str = "/v1/responses";
    const MESSAGES: &str = "/v1/messages";
    let messages = json!([{"role": "user", "content": "Why?"}]);
    let parameters =
        json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    let function = json!({"name": "weather", "parameters": parameters});
    let flat = json!({"type": "function", "name": "weather", "parameters": parameters});
    vec![
        ("chat", CHAT, json!({"model": "m", "messages": messages})),
        ("chat, three choices", CHAT, json!({"model": "m", "messages": messages, "n": 3})),
        (
            "chat, a tool",
            CHAT,
            json!({"model": "m", "messages": messages, "tool_choice": "required", "n": 2,
                "tools": [{"type": "function", "function": function}]}),
        ),
        ("chat, cut short", CHAT, json!({"model": "m", "messages": messages, "max_tokens": 3})),
        ("responses", RESPONSES, json!({"model": "m", "input": "Why?"})),
        ("responses, cut short", RESPONSES, json!({"model": "m", "input": "Why?", "max_output_tokens": 3})),
        (
            "responses, a tool",
            RESPONSES,
            json!({"model": "m", "input": "Why?", "tool_choice": "required", "tools": [flat]}),
        ),
        ("messages", MESSAGES, json!({"model": "m", "messages": messages, "max_tokens": 99})),
        (
            "messages, a tool",
            MESSAGES,
            json!({"model": "m", "messages": messages, "max_tokens": 99, "tool_choice": {"type": "any"},
                "tools": [{"name": "weather", "input_schema": parameters}]}),
        ),
    ]
}

async fn ask(model: &ModelServer, path: &str, request: &Value, stream: bool) -> Bytes {
    let mut request = request.clone();
    request["stream"] = stream.into();
    if stream && path.ends_with("completions") {
        request["stream_options"] = json!({"include_usage": true});
    }
    let request = Request::post(format!("{}{path}", model.url()))
        .header("content-type", "application/json")
        .header("authorization", "Bearer secret")
        .body(Full::<Bytes>::from(request.to_string()))
        .expect("it is well-formed");
    let client = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request).await.expect("there is an answer");
    assert_eq!(response.status(), 200);
    response.into_body().collect().await.expect("the answer is whole").to_bytes()
}
