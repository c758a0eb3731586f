use dashpot_wire::dialect::{Dialect, RequestFacts};
use proptest::prelude::*;
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";

fn read(path: &str, body: &Value) -> Result<RequestFacts, String> {
    read_bytes(path, body.to_string().as_bytes())
}

fn read_bytes(path: &str, body: &[u8]) -> Result<RequestFacts, String> {
    let dialect = Dialect::from_path(path).unwrap();
    dialect.read_request(path, body).map_err(|error| error.to_string())
}

fn error(path: &str, body: &str) -> String {
    read_bytes(path, body.as_bytes()).unwrap_err()
}

#[test]
fn a_chat_request_is_read() {
    let facts = read(
        CHAT,
        &json!({
            "model": "gpt-4o",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "first"},
                {"role": "assistant", "content": null, "tool_calls": [
                    {"id": "call_1", "type": "function", "function": {"name": "now", "arguments": "{}"}},
                ]},
                {"role": "tool", "tool_call_id": "call_1", "content": "noon"},
                {"content": [
                    {"type": "text", "text": "What is"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                    {"type": "text", "text": "this?"},
                ], "role": "user"},
            ],
            "tools": [{"type": "function", "function": {"name": "now"}}, {"type": "web"}],
            "stream": true,
            "stream_options": {"include_usage": true},
            "max_tokens": 9,
            "max_completion_tokens": 7,
            "future": [{"x": 1}],
        }),
    )
    .unwrap();
    let text = "Be brief.first" // 14
        .len()
        + "idcall_1typefunctionfunctionnamenowarguments{}".len()
        + "noonWhat isthis?".len()
        + "typefunctionfunctionnamenowtypeweb".len();
    assert_eq!(
        facts,
        RequestFacts {
            model: "gpt-4o".into(),
            stream: true,
            tools: 2,
            last_user_text: Some("What is\nthis?".into()),
            input_tokens_estimate: text.div_ceil(4) as u64 + 5 * 4,
            max_output_tokens: Some(7),
        }
    );
}

#[test]
fn a_responses_request_is_read() {
    let path = "/v1/responses";
    let facts =
        read(path, &json!({"model": "m", "input": "Why?", "max_output_tokens": 5, "prompt": {"id": "p"}}))
            .unwrap();
    assert_eq!(facts.last_user_text.as_deref(), Some("Why?"));
    assert_eq!((facts.stream, facts.tools, facts.max_output_tokens), (false, 0, Some(5)));
    let facts = read(
        path,
        &json!({"model": "m", "instructions": "Be brief.", "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "Why?"}]},
            {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "x".repeat(1000)},
            {"type": "function_call", "name": "f", "call_id": "c", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "noon"}]},
        ]}),
    )
    .unwrap();
    assert_eq!(facts.last_user_text.as_deref(), Some("Why?"));
    assert_eq!(facts.input_tokens_estimate, "Be brief.Why?{}noon".len().div_ceil(4) as u64 + 4 * 4);
    assert!(read(path, &json!({"model": "m", "previous_response_id": "resp"})).is_ok());
}

#[test]
fn prompts_and_inputs_may_be_texts_or_tokens() {
    for (path, field) in [("/v1/completions", "prompt"), ("/v1/embeddings", "input")] {
        for (value, text, tokens) in [
            (json!("12345"), Some("12345"), 2),
            (json!(["one", "two"]), Some("two"), 2),
            (json!([1, 2, 3]), None, 3),
            (json!([[1, 2, 3], [4]]), None, 4),
            (json!(""), None, 0),
        ] {
            let facts = read(path, &json!({"model": "m", field: value})).unwrap();
            assert_eq!(
                (facts.last_user_text.as_deref(), facts.input_tokens_estimate),
                (text, tokens),
                "{value}"
            );
        }
    }
}

#[test]
fn an_anthropic_request_is_read() {
    let facts = read(
        "/v1/messages",
        &json!({
            "model": "claude", "max_tokens": 1024, "stream": true,
            "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
            "tools": [{"name": "now", "input_schema": {}}],
            "messages": [
                {"role": "user", "content": "What time?"},
                {"role": "assistant", "content": [
                    {"type": "thinking", "thinking": "Hm.", "signature": "x".repeat(1000)},
                    {"type": "tool_use", "id": "t", "name": "now", "input": {"zone": "UTC"}},
                ]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "t", "content": [
                        {"type": "text", "text": "noon"},
                        {"type": "image", "source": {"type": "base64", "data": "x".repeat(1000)}},
                    ]},
                ]},
            ],
        }),
    )
    .unwrap();
    assert_eq!(
        facts.last_user_text.as_deref(),
        Some("What time?"),
        "what a tool gave back is not the user's"
    );
    assert_eq!((facts.stream, facts.tools, facts.max_output_tokens), (true, 1, Some(1024)));
    let text = "Be brief.namenowinput_schemaWhat time?Hm.zoneUTCnoon";
    assert_eq!(facts.input_tokens_estimate, text.len().div_ceil(4) as u64 + 3 * 4);
}

#[test]
fn a_gemini_request_is_read() {
    let body = json!({
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [
            {"parts": [{"text": "Why"}, {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}, {"text": "so?"}]},
            {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"x": "y"}}}]},
        ],
        "tools": [{"functionDeclarations": [{"name": "f"}, {"name": "g"}]}, {"googleSearch": {}}],
        "generationConfig": {"maxOutputTokens": 3, "temperature": 0.5},
    });
    let facts = read("/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse", &body).unwrap();
    assert_eq!(facts.model, "gemini-2.5-flash");
    assert_eq!((facts.stream, facts.tools, facts.max_output_tokens), (true, 3, Some(3)));
    assert_eq!(facts.last_user_text.as_deref(), Some("Why\nso?"));
    assert!(!read("/v1beta/models/g:generateContent", &body).unwrap().stream);
}

#[test]
fn the_model_may_be_in_the_path() {
    let body = r#"{"messages":[]}"#;
    let facts =
        read_bytes("/openai/deployments/mine/chat/completions?api-version=1", body.as_bytes()).unwrap();
    assert_eq!(facts.model, "mine");
    assert_eq!(error(CHAT, body), "`model` is missing");
    assert_eq!(error(CHAT, r#"{"messages":[],"model":""}"#), "`model` is missing");
    assert_eq!(error(CHAT, r#"{"messages":[],"model":null}"#), "`model` is missing");
}

#[test]
fn an_error_names_the_field_and_the_place_and_repeats_nothing() {
    for (body, expected) in [
        ("", "EOF while parsing a value at line 1 column 0"),
        ("{\"model\":\"m\"", "EOF while parsing an object at line 1 column 12"),
        ("[]", "the body must be a JSON object, not a list at line 1 column 2"),
        ("\"secret\"", "the body must be a JSON object, not a string at line 1 column 8"),
        ("null", "the body must be a JSON object, not null at line 1 column 4"),
        ("{\"messages\":[]} x", "trailing characters at line 1 column 17"),
        ("{\n\"model\": 5}", "`model` must be a string, not a number at line 2 column 10"),
        (r#"{"stream":"secret"}"#, "`stream` must be true or false, not a string at line 1 column 18"),
        (
            r#"{"messages":"secret"}"#,
            "`messages` must be a list of objects, not a string at line 1 column 20",
        ),
        (r#"{"messages":["secret"]}"#, "`messages` must hold only objects, not a string at line 1 column 21"),
        (r#"{"messages":[null]}"#, "`messages` must hold only objects, not null at line 1 column 17"),
        (r#"{"messages":[{"role":1}]}"#, "`role` must be a string, not a number at line 1 column 22"),
        (
            r#"{"messages":[{"content":1}]}"#,
            "`content` must be a string or a list of parts, not a number at line 1 column 25",
        ),
        (r#"{"messages":[{"role":"user","role":"x"}]}"#, "`role` is there twice at line 1 column 34"),
        (r#"{"messages":[{"content":"a","content":1}]}"#, "`content` is there twice at line 1 column 37"),
        (r#"{"tools":{}}"#, "`tools` must be a list, not an object at line 1 column 11"),
        (r#"{"max_tokens":1.5}"#, "`max_tokens` must be a whole number, not a fraction at line 1 column 17"),
        (r#"{"max_tokens":{}}"#, "`max_tokens` must be a whole number, not an object at line 1 column 16"),
        (r#"{"model":"a","model":"b"}"#, "`model` is there twice at line 1 column 20"),
        (r#"{"model":"m"}"#, "`messages` is missing"),
    ] {
        assert_eq!(error(CHAT, body), expected, "{body}");
    }
    assert_eq!(error("/v1beta/models/g:generateContent", "{}"), "`contents` is missing");
    assert!(read_bytes(CHAT, b"{\"model\":\"\xff\",\"messages\":[]}").is_err());
}

#[test]
fn what_is_not_ours_to_judge_passes() {
    for body in [
        r#"{"model":"m","messages":[],"stream":null,"tools":null,"max_tokens":null}"#,
        r#"{"model":"m","messages":[{}],"max_tokens":-1,"input":5,"prompt":[{}],"system":1}"#,
        r#"{"model":"m","messages":[{"role":"future","content":{"type":"future","x":[1]}}]}"#,
    ] {
        assert!(read_bytes(CHAT, body.as_bytes()).is_ok(), "{body}");
    }
}

#[test]
fn a_field_of_another_dialect_is_not_read() {
    let parts = json!([{"text": "not chat's"}]);
    let message =
        json!({"role": "user", "content": "Why?", "parts": parts, "output": 5, "input": "x", "arguments": 5});
    let facts = read(CHAT, &json!({"model": "m", "messages": [message]})).unwrap();
    assert_eq!((facts.last_user_text.as_deref(), facts.input_tokens_estimate), (Some("Why?"), 1 + 4));
    let turn = json!({"content": 5, "parts": [{"text": "Why?", "content": 5}]});
    let facts = read("/models/m:generateContent", &json!({"contents": [turn]})).unwrap();
    assert_eq!(facts.last_user_text.as_deref(), Some("Why?"));
}

#[test]
fn a_part_or_item_of_unknown_kind_may_have_fields_of_any_shape() {
    let part = json!({"type": "future", "text": {"x": [1]}, "content": 1.5, "source": [1], "title": {}});
    for path in [CHAT, "/v1/messages"] {
        let body = json!({"model": "m", "messages": [{"role": "user", "content": [part]}]});
        assert!(read(path, &body).is_ok(), "{path}");
    }
    let item = json!({"type": "future", "role": {"x": 1}, "content": 5, "output": true, "input": [1.5]});
    assert!(read("/v1/responses", &json!({"model": "m", "input": [item]})).is_ok());
}

#[test]
fn what_a_document_says_is_measured() {
    for (part, text) in [
        (
            json!({"type": "document", "title": "12", "context": "34", "source": {"data": "5678", "type": "text"}}),
            8,
        ),
        (
            json!({"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "1234"}]}}),
            4,
        ),
        (json!({"type": "document", "source": {"type": "base64", "data": "12345678"}}), 0),
        (
            json!({"type": "search_result", "source": "1234", "title": "5678", "content": [{"type": "text", "text": "1234"}]}),
            12,
        ),
    ] {
        let body = json!({"model": "m", "messages": [{"role": "user", "content": [part]}]});
        assert_eq!(read("/v1/messages", &body).unwrap().input_tokens_estimate, text / 4 + 4, "{part}");
    }
}

#[test]
fn a_whole_number_may_be_written_as_a_fraction() {
    for (text, expected) in [("100.0", Some(100)), ("1e2", Some(100)), ("-1.0", None)] {
        let body = format!(r#"{{"model":"m","messages":[],"max_tokens":{text}}}"#);
        assert_eq!(read_bytes(CHAT, body.as_bytes()).unwrap().max_output_tokens, expected, "{text}");
    }
    assert!(read(CHAT, &json!({"model": "m", "messages": [], "max_tokens": "100"})).is_err());
}

#[test]
fn gemini_is_read_as_its_services_read_json() {
    let body = json!({
        "contents": {"role": "USER", "parts": {"text": "Why?"}},
        "tools": {"functionDeclarations": {"name": "f"}},
        "generationConfig": {"maxOutputTokens": "100"},
    });
    let facts = read("/models/m:generateContent", &body).unwrap();
    assert_eq!((facts.tools, facts.max_output_tokens), (1, Some(100)));
    assert_eq!(facts.last_user_text.as_deref(), Some("Why?"));
}

#[test]
fn half_of_a_surrogate_pair_is_replaced() {
    for (text, expected) in [
        (r"a \ud83d", "a \u{fffd}"),
        (r"\uDE00\ud83d\uD83D\ude00", "\u{fffd}\u{fffd}\u{1f600}"),
        (r"\\ud83d \ud83d\n", "\\ud83d \u{fffd}\n"),
    ] {
        let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"{text}"}}],"\ud83d":1}}"#);
        let facts = read_bytes(CHAT, body.as_bytes()).unwrap();
        assert_eq!(facts.last_user_text.as_deref(), Some(expected), "{text}");
    }
    assert_eq!(
        error(CHAT, r#"{"x":"\ud83d","messages":5}"#),
        "`messages` must be a list of objects, not a number at line 1 column 26"
    );
}

#[test]
fn depth_ends_in_an_error_or_is_passed_over() {
    let deep = 200_000;
    let nested = format!("{}{}", "[".repeat(deep), "]".repeat(deep));
    let where_it_is_read = format!(r#"{{"model":"m","messages":[{{"role":"user","content":{nested}}}]}}"#);
    assert!(error(CHAT, &where_it_is_read).starts_with("recursion limit exceeded"));
    let in_a_tool = format!(r#"{{"model":"m","messages":[],"tools":[{{"x":{nested}}}]}}"#);
    assert!(error(CHAT, &in_a_tool).starts_with("recursion limit exceeded"));
    let elsewhere = format!(r#"{{"model":"m","future":{nested},"messages":[]}}"#);
    assert!(read_bytes(CHAT, elsewhere.as_bytes()).is_ok());
}

proptest! {
    #[test]
    fn no_bytes_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..24), at in any::<prop::sample::Index>(), cut in any::<prop::sample::Index>(),
    ) {
        let body = r#"{"model":"m","stream":true,"messages":[{"role":"user","content":[{"type":"text","text":"\u00e9\ud83d"}]}],"tools":[{"a":1.5e3}]}"#;
        let mut body = body.as_bytes().to_vec();
        let at = at.index(body.len());
        body.splice(at..at, bytes);
        body.truncate(cut.index(body.len()) + 1);
        for path in [CHAT, "/v1/responses", "/v1/completions", "/v1/embeddings", "/v1/messages", "/models/m:generateContent"] {
            let _ = read_bytes(path, &body);
        }
    }

    #[test]
    fn text_is_returned_as_it_was_sent(text in "\\PC{1,40}", stream: bool) {
        let facts = read(CHAT, &json!({"messages": [{"content": text, "role": "user"}], "stream": stream, "model": "m"})).unwrap();
        prop_assert_eq!(facts.last_user_text.as_deref(), Some(text.as_str()));
        prop_assert_eq!(facts.input_tokens_estimate, text.len().div_ceil(4) as u64 + 4);
    }
}
