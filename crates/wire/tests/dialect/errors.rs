use dashpot_core::Outcome;
use dashpot_wire::{
    dialect::{Dialect, StreamReader},
    sse::Framer,
};
use proptest::prelude::*;
use serde_json::{Value, json};

const ALL: [Dialect; 6] = [
    Dialect::OpenAiChat,
    Dialect::OpenAiResponses,
    Dialect::OpenAiCompletions,
    Dialect::OpenAiEmbeddings,
    Dialect::AnthropicMessages,
    Dialect::Gemini,
];

fn body(dialect: Dialect, status: u16, message: &str) -> Value {
    serde_json::from_str(&dialect.error_body(status, message)).unwrap()
}

/// The JSON in the data of an error event of one block.
fn event(dialect: Dialect, status: u16, message: &str) -> Value {
    let block = dialect.error_event(status, message);
    let block = block.strip_suffix("\n\n").unwrap();
    let data = block.strip_prefix("event: error\n").unwrap_or(block);
    serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap()
}

#[test]
fn bodies_have_the_shape_of_their_api() {
    assert_eq!(
        body(Dialect::OpenAiChat, 400, "no"),
        json!({"error": {"message": "no", "type": "invalid_request_error", "param": null, "code": null}})
    );
    assert_eq!(
        body(Dialect::OpenAiEmbeddings, 429, "slow down"),
        json!({"error": {"message": "slow down", "type": "rate_limit_error", "param": null, "code": "rate_limit_exceeded"}})
    );
    assert_eq!(
        body(Dialect::AnthropicMessages, 413, "big"),
        json!({"type": "error", "error": {"type": "request_too_large", "message": "big"}})
    );
    assert_eq!(
        body(Dialect::Gemini, 429, "slow down"),
        json!({"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED"}})
    );
}

#[test]
fn events_are_what_the_official_libraries_raise_for() {
    // openai: whenever the data has a true `error`; anthropic: for the event type; google-genai: when the data
    // begins with the error.
    for dialect in [Dialect::OpenAiChat, Dialect::OpenAiCompletions, Dialect::OpenAiResponses] {
        assert!(event(dialect, 500, "x")["error"]["message"].is_string());
    }
    let flat = event(Dialect::OpenAiResponses, 503, "x");
    assert_eq!((&flat["type"], &flat["code"]), (&json!("error"), &json!("server_is_overloaded")));
    assert!(Dialect::AnthropicMessages.error_event(500, "x").starts_with("event: error\ndata: {"));
    assert!(Dialect::Gemini.error_event(500, "x").starts_with("data: {\"error\":"));
}

#[test]
fn a_reader_takes_our_event_for_what_its_status_means() {
    let limited = Outcome::RateLimited { quota: false, retry_after: None };
    let overload = Outcome::Overload { retry_after: None };
    for (status, expected) in [
        (400, Outcome::Ignored),
        (401, Outcome::Ignored),
        (413, Outcome::Ignored),
        (422, Outcome::Ignored),
        (429, limited),
        (500, Outcome::Failure),
        (502, Outcome::Failure),
        (503, overload),
        (504, overload),
        (529, overload),
    ] {
        for dialect in ALL.into_iter().filter(|dialect| *dialect != Dialect::OpenAiEmbeddings) {
            let mut reader = StreamReader::new(Some(dialect));
            Framer::new().push(dialect.error_event(status, "x").as_bytes(), &mut reader);
            assert_eq!(reader.error(), Some(expected), "{} {status}", dialect.name());
            assert_eq!(reader.events(), 1);
        }
    }
}

proptest! {
    #[test]
    fn any_message_is_quoted_right(message: String, status in 400_u16..600, which in 0..ALL.len()) {
        let dialect = ALL[which];
        let body = body(dialect, status, &message);
        prop_assert_eq!(&body["error"]["message"], &message);
        prop_assert_eq!(&event(dialect, status, &message)["error"], &body["error"]);
    }
}
