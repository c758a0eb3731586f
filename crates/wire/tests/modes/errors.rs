//! Streams that come to no answer, and what is said of them.

use dashpot_core::Outcome;
use dashpot_wire::{
    dialect::Dialect,
    modes::{Collect, CollectError},
};
use serde_json::json;

use crate::support::{DIALECTS, LARGE, collect, stream};

#[test]
fn an_error_in_the_stream_is_told_with_its_outcome() {
    let overload = Outcome::Overload { retry_after: None };
    for (dialect, event, error, outcome) in [
        (Dialect::OpenAiChat, "", json!({"error": {"type": "server_error"}}), Outcome::Failure),
        (Dialect::OpenAiResponses, "", json!({"type": "error", "code": "server_is_overloaded"}), overload),
        (
            Dialect::OpenAiResponses,
            "",
            json!({"type": "response.failed", "response": {"error": {"code": "invalid_prompt"}}}),
            Outcome::Ignored,
        ),
        (Dialect::AnthropicMessages, "error", json!({"error": {"type": "overloaded_error"}}), overload),
    ] {
        let stream = format!("event: {event}\ndata: {error}\n\ndata: not json\n\n");
        let error = CollectError::Upstream { outcome, data: error.to_string() };
        assert_eq!(error.outcome(), outcome);
        assert_eq!(collect(dialect, stream.as_bytes()), Err(error));
    }
}

#[test]
fn an_error_is_answered_as_the_api_would_have_instead_of_a_stream() {
    let quota = Outcome::RateLimited { quota: true, retry_after: None };
    let overload = Outcome::Overload { retry_after: None };
    let error = json!({"code": "c", "message": "m"});
    let whole = json!({ "error": error });
    for (dialect, outcome, event, expected) in [
        (
            Dialect::OpenAiChat,
            Outcome::Failure,
            json!({"id": "c", "choices": [], "error": error}),
            (502, &whole),
        ),
        (Dialect::OpenAiChat, quota, json!({ "error": error }), (429, &whole)),
        (
            Dialect::OpenAiResponses,
            overload,
            json!({"type": "response.failed", "response": {"error": error}}),
            (503, &whole),
        ),
        (
            Dialect::OpenAiResponses,
            overload,
            json!({"type": "error", "code": "c", "message": "m"}),
            (503, &whole),
        ),
        (Dialect::OpenAiResponses, Outcome::Ignored, json!({"type": "error", "error": error}), (400, &whole)),
        (
            Dialect::AnthropicMessages,
            overload,
            json!({"type": "error", "error": error}),
            (529, &json!({"type": "error", "error": error})),
        ),
        (Dialect::AnthropicMessages, quota, json!({"error": error}), (402, &whole)),
    ] {
        let (status, body) = CollectError::Upstream { outcome, data: event.to_string() }.response(dialect);
        assert_eq!((status, &serde_json::from_str(&body).unwrap()), expected);
    }
    // Of a deadline between here and the upstream.
    for dialect in DIALECTS {
        let event = dialect.error_event(504, "late");
        let (status, body) = collect(dialect, event.as_bytes()).unwrap_err().response(dialect);
        assert_eq!((status, body.contains("late")), (504, true), "{dialect:?}");
    }
    let unknown = CollectError::Upstream { outcome: Outcome::Failure, data: "no JSON".into() };
    for (error, why) in [
        (unknown, "no JSON"),
        (CollectError::Truncated, "the stream ended before the answer was complete"),
        (CollectError::TooLarge(9), "the answer takes more than 9 bytes"),
    ] {
        assert_eq!(error.response(Dialect::OpenAiChat), (502, Dialect::OpenAiChat.error_body(502, why)));
    }
}

#[test]
fn an_end_before_the_end_is_a_failure_and_what_follows_the_end_is_nothing() {
    let chunk = stream(&[json!({"choices": []})]);
    assert_eq!(collect(Dialect::OpenAiChat, &chunk), Err(CollectError::Truncated));
    assert_eq!(CollectError::Truncated.outcome(), Outcome::Failure);
    let unfinished = [&chunk[..], b"data: [DONE]\n"].concat();
    assert_eq!(collect(Dialect::OpenAiChat, &unfinished), Err(CollectError::Truncated));

    let mut collect = Collect::new(Dialect::OpenAiChat, 1 << 12).unwrap();
    collect.push(&[&chunk[..], b"data: [DO"].concat()).unwrap();
    assert!(!collect.is_complete());
    collect.push(b"NE]\n\ndata: not json\n\n").unwrap();
    assert!(collect.is_complete());
    collect.push(&[b'x'; 1 << 13]).unwrap();
    assert_eq!(collect.finish(), Ok(json!({"object": "chat.completion", "choices": []})));
}

#[test]
fn a_chat_without_its_marker_is_whole_when_every_choice_has_stopped() {
    let stopped = |index: u64| json!({"index": index, "delta": {"content": "a"}, "finish_reason": "stop"});
    let going = json!({"index": 1, "delta": {"content": "b"}, "finish_reason": null});
    let chat = |chunks: &[_]| collect(Dialect::OpenAiChat, &stream(chunks));
    let answer =
        chat(&[json!({"choices": [stopped(0)]}), json!({"choices": [], "usage": {"total_tokens": 3}})]);
    assert_eq!(answer.unwrap()["usage"]["total_tokens"], 3);
    assert_eq!(chat(&[json!({"choices": [stopped(0), going]})]), Err(CollectError::Truncated));
    assert!(chat(&[json!({"choices": [going]}), json!({"choices": [stopped(0), stopped(1)]})]).is_ok());
}

#[test]
fn what_is_no_answer_says_why() {
    let unreadable = |dialect, stream: &[u8]| match collect(dialect, stream) {
        Err(error @ CollectError::Unreadable(_)) => error.to_string(),
        other => panic!("{other:?}"),
    };
    let delta = stream(&[json!({"type": "content_block_delta", "index": 0, "delta": {}})]);
    let cases = [
        (Dialect::OpenAiChat, &b"data: [DONE]\n\n"[..], "the stream has no answer in it"),
        (Dialect::OpenAiChat, b"data: [1]\n\n", "an event of the stream is not a JSON object"),
        (Dialect::OpenAiChat, b"data: {\"choices\":[1]}\n\n", "a choice of a chunk is not an object"),
        (
            Dialect::OpenAiResponses,
            b"data: {\"type\":\"response.completed\"}\n\n",
            "the last event has no response in it",
        ),
        (Dialect::AnthropicMessages, &delta, "there is content for a block that was not started"),
        (
            Dialect::AnthropicMessages,
            b"data: {\"type\":\"message_delta\"}\n\n",
            "there is more of a message that was not started",
        ),
        (
            Dialect::AnthropicMessages,
            b"data: {\"type\":\"message_start\"}\n\n",
            "an event lacks what its type says",
        ),
        (
            Dialect::AnthropicMessages,
            b"data: {\"type\":\"message_stop\"}\n\n",
            "the stream has no answer in it",
        ),
    ];
    for (dialect, stream, why) in cases {
        assert_eq!(unreadable(dialect, stream), why);
    }
    assert!(Collect::new(Dialect::Gemini, LARGE).is_none());
}
