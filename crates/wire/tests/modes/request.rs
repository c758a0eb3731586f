//! Requests for the one mode made into requests for the other.

use dashpot_wire::{dialect::Dialect, modes::RequestMode};
use proptest::prelude::*;
use serde_json::Value;

const THREE: [Dialect; 3] = [Dialect::OpenAiChat, Dialect::OpenAiResponses, Dialect::AnthropicMessages];

fn read(dialect: Dialect, body: &str) -> Option<(Option<bool>, bool)> {
    RequestMode::read(dialect, body.as_bytes()).map(|mode| (mode.stream, mode.include_usage))
}

fn write(dialect: Dialect, body: &str, stream: bool) -> Option<String> {
    let mode = RequestMode { stream: Some(stream), include_usage: true };
    let written = mode.write(dialect, body.as_bytes())?;
    Some(String::from_utf8(written).expect("JSON is UTF-8"))
}

#[test]
fn what_a_body_says_is_read_and_what_it_does_not_say_is_not_made_up() {
    use Dialect::OpenAiChat as Chat;
    for (body, said) in [
        ("{}", (None, false)),
        (r#"{"stream":null}"#, (None, false)),
        (r#"{"stream":false}"#, (Some(false), false)),
        (r#"{"\u0073tream":true}"#, (Some(true), false)),
        (r#"{"stream":true,"stream_options":null}"#, (Some(true), false)),
        (r#"{"stream":true,"stream_options":{"include_usage":true}}"#, (Some(true), true)),
        (r#"{"stream":true,"stream_options":{"include_usage":false}}"#, (Some(true), false)),
        (r#"{"messages":[{"stream":true}],"x":{"stream":true}}"#, (None, false)),
    ] {
        assert_eq!(read(Chat, body), Some(said), "{body}");
    }
    assert_eq!(
        read(Dialect::AnthropicMessages, r#"{"stream":true,"stream_options":5}"#),
        Some((Some(true), false))
    );
}

#[test]
fn what_can_be_answered_in_one_mode_only_is_left_alone() {
    use Dialect::{AnthropicMessages as Messages, OpenAiChat as Chat, OpenAiResponses as Responses};
    for (dialect, body, changes) in [
        (Chat, r#"{"audio":{"format":"wav"}}"#, false),
        (Chat, r#"{"audio":null}"#, true),
        (Chat, r#"{"modalities":["text","audio"]}"#, false),
        (Chat, r#"{"modalities":["text"]}"#, true),
        (Chat, r#"{"background":true}"#, true),
        (Responses, r#"{"background":true}"#, false),
        (Responses, r#"{"background":false}"#, true),
        (Messages, r#"{"background":true,"audio":1}"#, true),
        (Dialect::OpenAiCompletions, "{}", false),
        (Dialect::OpenAiEmbeddings, "{}", false),
        (Dialect::Gemini, "{}", false),
        (Chat, "[]", false),
        (Chat, "", false),
        (Chat, "{} {}", false),
        (Chat, r#"{"stream":1}"#, false),
        (Chat, r#"{"stream":true,"stream":false}"#, false),
        (Chat, r#"{"stream":null,"stream":null}"#, false),
        (Chat, r#"{"stream_options":[]}"#, false),
        (Chat, r#"{"stream_options":{},"stream_options":{}}"#, false),
    ] {
        assert_eq!(read(dialect, body).is_some(), changes, "{} {body}", dialect.name());
        assert_eq!(write(dialect, body, true).is_some(), changes, "{} {body}", dialect.name());
    }
    assert_eq!(RequestMode::read(Chat, b"{\"a\":\"\xff\"}"), None);
}

#[test]
fn only_what_is_about_the_mode_changes() {
    use Dialect::{AnthropicMessages as Messages, OpenAiChat as Chat, OpenAiResponses as Responses};
    let usage = r#""stream_options":{"include_usage":true}"#;
    for (dialect, body, stream, expected) in [
        (Chat, "{}", true, format!(r#"{{"stream":true,{usage}}}"#)),
        (Chat, "{}", false, r#"{"stream":false}"#.into()),
        (
            Chat,
            r#"{"stream":true,"stream_options":{"include_usage":true},"a":1}"#,
            false,
            r#"{"a":1,"stream":false}"#.into(),
        ),
        (
            Chat,
            r#"{"stream_options":{"include_usage":false,"x":[1]}}"#,
            true,
            r#"{"stream":true,"stream_options":{"include_usage":true,"x":[1]}}"#.into(),
        ),
        (
            Responses,
            r#"{"stream_options":{"include_obfuscation":false}}"#,
            true,
            r#"{"stream":true,"stream_options":{"include_obfuscation":false}}"#.into(),
        ),
        (
            Responses,
            r#"{"stream":true,"stream_options":{"include_obfuscation":false}}"#,
            false,
            r#"{"stream":false}"#.into(),
        ),
        (Messages, r#"{"stream_options":5}"#, true, r#"{"stream_options":5,"stream":true}"#.into()),
        // As it was written, whatever that is: numbers that no type holds, keys twice, white space inside.
        (
            Messages,
            "{ \"a\" : [ 1e999,\n-0 ] , \"a\":\"\\ud800\" }",
            true,
            "{\"a\":[ 1e999,\n-0 ],\"a\":\"\\ud800\",\"stream\":true}".into(),
        ),
        (Messages, r#"{"\"\n":1}"#, false, r#"{"\"\n":1,"stream":false}"#.into()),
    ] {
        assert_eq!(write(dialect, body, stream).as_deref(), Some(&*expected), "{body}");
    }
}

#[test]
fn usage_that_is_not_to_be_told_is_not_asked_for() {
    let mode = RequestMode { stream: Some(true), include_usage: false };
    for (body, expected) in [
        ("{}", r#"{"stream":true}"#),
        (
            r#"{"stream_options":{"include_usage":false},"stream":null}"#,
            r#"{"stream":true,"stream_options":{"include_usage":false}}"#,
        ),
    ] {
        assert_eq!(mode.write(Dialect::OpenAiChat, body.as_bytes()).as_deref(), Some(expected.as_bytes()));
    }
}

proptest! {
    #[test]
    fn a_body_asked_for_a_mode_is_in_it_and_says_the_rest_as_before(
        keys in prop::collection::vec("[a-z\"\\\\]{0,6}|stream|stream_options|audio", 0..6),
        values in prop::collection::vec(r#"null|true|[0-9]{1,25}|"[^"\\]*"|\{"include_usage":true\}"#, 6),
        dialect in prop::sample::select(THREE.to_vec()),
        stream: bool,
    ) {
        let members = keys.iter().zip(&values);
        let members: Vec<_> =
            members.map(|(key, value)| format!("{}:{value}", Value::from(key.as_str()))).collect();
        let body = format!("{{{}}}", members.join(","));
        let mode = read(dialect, &body);
        let written = write(dialect, &body, stream);
        prop_assert_eq!(mode.is_some(), written.is_some());
        let Some(written) = written else { return Ok(()) };
        prop_assert_eq!(read(dialect, &written), Some((Some(stream), stream && dialect == Dialect::OpenAiChat || read(dialect, &written).unwrap().1)));
        let strip = |json: &str| {
            let mut json: Value = serde_json::from_str(json).unwrap();
            let fields = json.as_object_mut().unwrap();
            fields.remove("stream");
            if dialect != Dialect::AnthropicMessages {
                fields.remove("stream_options");
            }
            json
        };
        prop_assert_eq!(strip(&written), strip(&body));
        prop_assert_eq!(write(dialect, &written, stream), Some(written));
    }

    #[test]
    fn no_body_panics(body: Vec<u8>, stream: bool) {
        for dialect in THREE {
            let _ = RequestMode { stream: Some(stream), include_usage: true }.write(dialect, &body);
        }
    }
}
