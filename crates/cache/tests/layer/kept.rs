//! In which forms a kept answer is given, and what is not fit to be kept.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use bytes::Bytes;
use dashpot_cache::Keep;
use dashpot_testkit::body::Scripted;
use dashpot_wire::{dialect::Dialect, modes::expand};
use http::{Response, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::support::{
    Asking, CHAT, MESSAGES, Model, SECOND, ask, cache, chat, completion, events, layer, post, read, whole,
};

/// Whether the second of two equal questions is answered from what was kept of this answer.
async fn is_kept(request: &dyn Fn() -> Asking, answer: Response<Scripted>) -> bool {
    let model = Model::default().then(answer).then(whole(&completion("again")));
    let cache = cache(&layer(), &model);
    read(&cache, request()).await;
    read(&cache, request()).await.0.contains("hit")
}

/// A buffer of a connection, of which an answer is a small part.
struct Buffer(Vec<u8>, Arc<AtomicBool>);

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.1.store(true, Relaxed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_kept_answer_holds_no_more_memory_than_it_weighs() {
    let is_free = Arc::new(AtomicBool::new(false));
    let text = completion("Hi").to_string();
    let mut buffer = text.clone().into_bytes();
    buffer.resize(1 << 20, 0);
    let buffer = Bytes::from_owner(Buffer(buffer, is_free.clone()));
    let answer = Scripted::new().data(buffer.slice(..text.len()));
    drop(buffer);
    let answer = Response::builder().header(header::CONTENT_TYPE, "application/json").body(answer).unwrap();
    let model = Model::default().then(answer);
    let cache = cache(&layer(), &model);
    assert_eq!(read(&cache, chat("Why?", false)).await.1, text);
    assert!(read(&cache, chat("Why?", false)).await.0.contains("hit"));
    assert!(is_free.load(Relaxed), "the connection's buffer is let go");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_says_that_something_went_wrong_is_not_kept() {
    let ask = || chat("Why?", false);
    let mut answer = completion("I am sor");
    assert!(is_kept(&ask, whole(&answer)).await);
    answer["error"] = json!({"code": 502, "message": "the provider broke off"});
    assert!(!is_kept(&ask, whole(&answer)).await);
    let mut answer = completion("I am sor");
    answer["choices"][0]["error"] = json!({"code": 502, "message": "the provider broke off"});
    assert!(!is_kept(&ask, whole(&answer)).await);
    answer["choices"][0]["error"] = Value::Null;
    assert!(is_kept(&ask, whole(&answer)).await);
    let mut answer = completion("Hi");
    answer["choices"][0]["message"]["function_call"] = json!({"name": "f", "arguments": "{}"});
    assert!(!is_kept(&ask, whole(&answer)).await, "a call in the old form");
    let broken = Scripted::new().data(completion("Hi").to_string()).error("reset");
    let broken = Response::builder().header(header::CONTENT_TYPE, "application/json").body(broken).unwrap();
    let model = Model::default().then(broken).then(whole(&completion("again")));
    let cache = cache(&layer(), &model);
    let answer = crate::support::ask(&cache, ask()).await;
    assert!(answer.into_body().collect().await.is_err());
    assert!(!read(&cache, ask()).await.0.contains("hit"), "a body that broke");
}

#[tokio::test(start_paused = true)]
async fn what_depends_on_what_the_provider_remembers_is_not_kept() {
    let message = json!({"type": "message", "role": "assistant", "stop_reason": "end_turn", "content": [{"type": "text", "text": "Hi"}]});
    let response =
        json!({"object": "response", "status": "completed", "output": [{"type": "message", "content": []}]});
    let turns = json!([{"role": "user", "content": "Why?"}]);
    for (path, answer, field, value, expected) in [
        (MESSAGES, &message, "container", json!("c1"), false),
        (MESSAGES, &message, "container", json!({"id": "c1"}), false),
        (MESSAGES, &message, "container", Value::Null, true),
        ("/v1/responses", &response, "conversation", json!("c1"), false),
        ("/v1/responses", &response, "conversation", json!({"id": "c1"}), false),
        ("/v1/responses", &response, "conversation", Value::Null, true),
        ("/v1/responses", &response, "previous_response_id", json!("r1"), true),
    ] {
        let ask = || post(path, &json!({"messages": turns, "input": "Why?", field: value}));
        assert_eq!(is_kept(&ask, whole(answer)).await, expected, "{field}: {value}");
    }
}

#[tokio::test(start_paused = true)]
async fn how_much_variety_is_wanted_is_taken_for_much_where_it_cannot_be_read() {
    for (field, value) in
        [("temperature", json!("2")), ("n", json!("3")), ("best_of", json!([2])), ("n", json!(1.5))]
    {
        let ask = || post(CHAT, &json!({"messages": [], field: value}));
        assert!(!is_kept(&ask, whole(&completion("Hi"))).await, "{field}: {value}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_varies_by_what_the_key_does_not_hold_is_not_kept() {
    let ask = || chat("Why?", false);
    for (vary, expected) in [
        ("Accept-Encoding, Origin", true),
        ("authorization,host", true),
        ("OpenAI-Organization", true),
        ("*", false),
        ("Accept-Encoding, X-Persona", false),
    ] {
        let mut answer = whole(&completion("Hi"));
        answer.headers_mut().append(header::VARY, "origin".parse().unwrap());
        answer.headers_mut().append(header::VARY, vary.parse().unwrap());
        assert_eq!(is_kept(&ask, answer).await, expected, "{vary}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_can_be_fresh_for_ever() {
    for n in 0..20 {
        let model = Model::default().then(whole(&completion("a")));
        let time = std::time::Duration::MAX;
        let cache = cache(&layer().ttl(time).stale_if_error(time).stale_while_revalidate(time), &model);
        read(&cache, chat(&n.to_string(), false)).await;
        tokio::time::sleep(1_000_000 * SECOND).await;
        assert!(read(&cache, chat(&n.to_string(), false)).await.0.contains("hit"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_kept_however_it_is_cut_and_its_lines_end() {
    let turns = json!([{"role": "user", "content": "Why?"}]);
    let message = json!({
        "id": "a", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn", "stop_sequence": null,
        "content": [{"type": "text", "text": "Hé"}], "usage": {"input_tokens": 1, "output_tokens": 2},
    });
    let response = json!({
        "id": "r", "object": "response", "status": "completed", "model": "m", "error": null,
        "output": [{"id": "o", "type": "message", "status": "completed", "role": "assistant",
            "content": [{"type": "output_text", "text": "Hé", "annotations": []}]}],
    });
    for (dialect, path, answer) in [
        (Dialect::OpenAiChat, CHAT, completion("Hé")),
        (Dialect::AnthropicMessages, MESSAGES, message),
        (Dialect::OpenAiResponses, "/v1/responses", response),
    ] {
        let ask = |stream: bool| post(path, &json!({"messages": turns, "input": "Why?", "stream": stream}));
        let plain = String::from_utf8(expand(dialect, &answer, true, 1 << 20).unwrap()).unwrap();
        let odd = format!("\u{feff}: a comment\n\n{plain}");
        for stream in [plain.clone(), odd.replace('\n', "\r\n"), plain.replace('\n', "\r")] {
            let stream = stream.as_bytes();
            let cut = |body: Scripted, piece: &[u8]| body.data(piece.to_vec());
            let bytes = stream.chunks(1).fold(Scripted::new(), cut);
            for body in
                [bytes, stream.chunks(7).fold(Scripted::new(), cut), Scripted::new().data(stream.to_vec())]
            {
                let model = Model::default().then(events(body));
                let cache = cache(&layer(), &model);
                assert_eq!(read(&cache, ask(true)).await.1.as_bytes(), stream, "byte for byte");
                let said: Value = serde_json::from_str(&read(&cache, ask(false)).await.1).unwrap();
                assert_eq!((said, model.calls()), (answer.clone(), 1));
            }
            // Cut off anywhere before its end, it is not kept.
            for end in [stream.len() / 5, stream.len() / 3, stream.len() / 2] {
                let end = (end..).find(|&end| stream[end].is_ascii()).unwrap();
                let body = Scripted::new().data(stream[..end].to_vec());
                assert!(!is_kept(&|| ask(true), events(body)).await, "{path} {end}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_kept_answer_says_what_it_is_and_no_more_than_the_cache_knows() {
    let mut answer = whole(&completion("Hi"));
    answer.headers_mut().insert("set-cookie", "session=1".parse().unwrap());
    let cache = cache(&layer(), &Model::default().then(answer));
    read(&cache, chat("Why?", false)).await;
    for (stream, names) in [
        (false, &["age", "cache-status", "content-type"][..]),
        (true, &["age", "cache-control", "cache-status", "content-type", "x-accel-buffering"]),
    ] {
        let answer = ask(&cache, chat("Why?", stream)).await;
        let mut said: Vec<_> = answer.headers().keys().map(|name| name.as_str()).collect();
        said.sort_unstable();
        assert_eq!(said, names);
        let kind = if stream { "text/event-stream" } else { "application/json" };
        assert_eq!(answer.headers()["content-type"], kind);
    }
}

/// The finer points of what is good, in the words of the other two APIs.
#[tokio::test(start_paused = true)]
async fn a_refusal_a_tool_and_a_limit_are_known_in_every_api() {
    let message = |reason: &str, kind: &str| json!({"type": "message", "role": "assistant", "stop_reason": reason, "content": [{"type": kind, "text": "Hi"}]});
    let response = |status: &str, reason: Value, item: &str, part: &str| {
        let details = json!({"reason": reason});
        let output = json!([{"type": item, "content": [{"type": part, "text": "Hi"}]}]);
        json!({"object": "response", "status": status, "incomplete_details": details, "output": output})
    };
    let none = Keep::default();
    for (path, answer, keep, expected) in [
        (MESSAGES, message("end_turn", "text"), none, true),
        (MESSAGES, message("end_turn", "thinking"), none, true),
        (MESSAGES, message("end_turn", "server_tool_use"), none, false),
        (MESSAGES, message("tool_use", "tool_use"), none.tool_calls(), true),
        (MESSAGES, message("max_tokens", "text"), none, false),
        (MESSAGES, message("max_tokens", "text"), none.cut_off(), true),
        (MESSAGES, message("refusal", "text"), none.cut_off().tool_calls(), false),
        ("/v1/responses", response("completed", Value::Null, "message", "output_text"), none, true),
        ("/v1/responses", response("completed", Value::Null, "message", "refusal"), none, false),
        ("/v1/responses", response("completed", Value::Null, "web_search_call", "x"), none, false),
        (
            "/v1/responses",
            response("completed", Value::Null, "web_search_call", "x"),
            none.tool_calls(),
            true,
        ),
        (
            "/v1/responses",
            response("incomplete", "max_output_tokens".into(), "message", "output_text"),
            none,
            false,
        ),
        (
            "/v1/responses",
            response("incomplete", "max_output_tokens".into(), "message", "x"),
            none.cut_off(),
            true,
        ),
        (
            "/v1/responses",
            response("incomplete", "content_filter".into(), "message", "x"),
            none.cut_off(),
            false,
        ),
        ("/v1/responses", response("failed", Value::Null, "message", "output_text"), none, false),
        ("/v1/responses", json!({"status": "completed", "output": []}), none, false),
        ("/v1/embeddings", json!({"data": [{"embedding": [1.0]}]}), none, true),
        ("/v1/embeddings", json!({"data": [{"embedding": [1.0]}, {"embedding": null}]}), none, false),
    ] {
        let model = Model::default().then(whole(&answer)).then(whole(&answer));
        let cache = cache(&layer().keep(keep), &model);
        let request = || post(path, &json!({"messages": [], "input": "Why?"}));
        read(&cache, request()).await;
        assert_eq!(read(&cache, request()).await.0.contains("hit"), expected, "{answer}");
    }
}
