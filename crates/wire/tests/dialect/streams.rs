//! `streams/*.sse` follow the providers' references and the types of their Python libraries; all are written by hand.

use dashpot_core::Outcome;
use dashpot_wire::{
    dialect::{Dialect, FinishReason, StreamReader, Usage},
    sse::Framer,
};
use proptest::prelude::*;

struct Stream {
    name: &'static str,
    dialect: Dialect,
    text: &'static str,
    /// The event that has the first content, counted from 1.
    first_content: Option<u64>,
    terminated: bool,
    error: Option<Outcome>,
    /// Input, cached input, output.
    usage: [Option<u64>; 3],
    finish: Option<FinishReason>,
}

const OVERLOAD: Option<Outcome> = Some(Outcome::Overload { retry_after: None });
const RATE: Option<Outcome> = Some(Outcome::RateLimited { quota: false, retry_after: None });
const IGNORED: Option<Outcome> = Some(Outcome::Ignored);
const QUOTA: Option<Outcome> = Some(Outcome::RateLimited { quota: true, retry_after: None });

macro_rules! stream {
    ($dialect:ident, $name:literal, $first_content:expr, $terminated:expr, $error:expr, $usage:expr, $finish:expr) => {
        Stream {
            name: $name,
            dialect: Dialect::$dialect,
            text: include_str!(concat!("streams/", $name, ".sse")),
            first_content: $first_content,
            terminated: $terminated,
            error: $error,
            usage: $usage,
            finish: $finish,
        }
    };
}

fn streams() -> Vec<Stream> {
    use FinishReason::{ContentFilter, Length, Other, Stop, ToolCalls};
    let none = [None; 3];
    let responses = [Some(37), Some(32), Some(11)];
    vec![
        stream!(
            OpenAiChat,
            "openai_chat",
            Some(2),
            true,
            None,
            [Some(1117), Some(1024), Some(46)],
            Some(Stop)
        ),
        stream!(OpenAiChat, "openai_chat_azure", Some(3), true, None, none, Some(ContentFilter)),
        stream!(OpenAiChat, "openai_chat_tools", Some(2), true, None, none, Some(ToolCalls)),
        stream!(
            OpenAiChat,
            "openai_chat_reasoning",
            Some(2),
            true,
            None,
            [Some(9), None, Some(310)],
            Some(Length)
        ),
        stream!(OpenAiChat, "openai_chat_refusal", Some(2), true, None, none, Some(Stop)),
        stream!(OpenAiChat, "openai_chat_error", Some(2), false, Some(Outcome::Failure), none, None),
        stream!(OpenAiChat, "openai_chat_error_status", None, false, RATE, none, Some(Other)),
        stream!(
            OpenAiCompletions,
            "openai_completions",
            Some(2),
            true,
            None,
            [Some(5), None, Some(7)],
            Some(Length)
        ),
        stream!(OpenAiResponses, "openai_responses", Some(5), true, None, responses, Some(Stop)),
        stream!(OpenAiResponses, "openai_responses_tools", Some(5), true, None, responses, Some(ToolCalls)),
        stream!(OpenAiResponses, "openai_responses_refusal", Some(3), true, None, responses, Some(Stop)),
        stream!(OpenAiResponses, "openai_responses_incomplete", Some(3), true, None, responses, Some(Length)),
        stream!(OpenAiResponses, "openai_responses_failed", None, true, OVERLOAD, none, None),
        stream!(OpenAiResponses, "openai_responses_error", None, false, QUOTA, none, None),
        stream!(OpenAiResponses, "openai_responses_error_flat", None, false, RATE, none, None),
        stream!(
            AnthropicMessages,
            "anthropic",
            Some(4),
            true,
            None,
            [Some(4125), Some(4000), Some(15)],
            Some(Stop)
        ),
        stream!(
            AnthropicMessages,
            "anthropic_tools",
            Some(2),
            true,
            None,
            [Some(472), Some(0), Some(89)],
            Some(ToolCalls)
        ),
        stream!(
            AnthropicMessages,
            "anthropic_overloaded",
            None,
            false,
            OVERLOAD,
            [Some(4125), Some(4000), Some(1)],
            None
        ),
        stream!(AnthropicMessages, "anthropic_rate_limited", None, false, RATE, none, None),
        stream!(Gemini, "gemini", Some(2), true, None, [Some(8), Some(4), Some(25)], Some(Stop)),
        stream!(Gemini, "gemini_tools", Some(1), true, None, [Some(8), None, None], Some(ToolCalls)),
        stream!(Gemini, "gemini_blocked", None, true, None, [Some(8), None, None], Some(ContentFilter)),
        stream!(Gemini, "gemini_length", Some(1), true, None, [Some(8), None, None], Some(Length)),
        stream!(Gemini, "gemini_error", Some(1), false, OVERLOAD, [Some(8), None, None], None),
    ]
}

fn read<'b>(dialect: Option<Dialect>, pieces: impl IntoIterator<Item = &'b [u8]>) -> StreamReader {
    let (mut framer, mut reader) = (Framer::new(), StreamReader::new(dialect));
    pieces.into_iter().for_each(|piece| framer.push(piece, &mut reader));
    reader
}

fn read_text(dialect: Dialect, text: &str) -> StreamReader {
    read(Some(dialect), [text.as_bytes()])
}

/// All that a reader says.
type Facts = (bool, bool, Option<Outcome>, Usage, Option<FinishReason>, u64);

fn facts(reader: &StreamReader) -> Facts {
    let (content, terminated, error) = (reader.has_content(), reader.is_terminated(), reader.error());
    (content, terminated, error, reader.usage(), reader.finish_reason(), reader.events())
}

#[test]
fn every_stream_says_what_its_protocol_means() {
    for stream in streams() {
        let reader = read_text(stream.dialect, stream.text);
        let [input_tokens, cached_input_tokens, output_tokens] = stream.usage;
        let usage = Usage { input_tokens, cached_input_tokens, output_tokens };
        let events = stream.text.matches("data: {").count() + stream.text.matches("data: [DONE]\n").count();
        let content = stream.first_content.is_some();
        let expected = (content, stream.terminated, stream.error, usage, stream.finish, events as u64);
        assert_eq!(facts(&reader), expected, "{}", stream.name);
        assert!(reader.expects_marker());
    }
}

#[test]
fn content_and_marker_count_from_the_end_of_their_event_on() {
    for stream in streams() {
        let (mut framer, mut reader) = (Framer::new(), StreamReader::new(Some(stream.dialect)));
        let (mut first_content, mut was_terminated) = (None, false);
        for block in stream.text.split_inclusive("\n\n") {
            assert!(!was_terminated, "{}: something follows the marker", stream.name);
            let had_content = reader.has_content();
            framer.push(&block.as_bytes()[..block.len() - 1], &mut reader);
            assert_eq!(reader.has_content(), had_content, "{}: not yet complete", stream.name);
            assert!(!reader.is_terminated(), "{}: not yet complete", stream.name);
            framer.push(b"\n", &mut reader);
            first_content = first_content.or(reader.has_content().then(|| reader.events()));
            was_terminated = reader.is_terminated();
        }
        assert_eq!(first_content, stream.first_content, "{}", stream.name);
    }
}

#[test]
fn line_ends_and_chunks_make_no_difference() {
    for stream in streams() {
        let whole = facts(&read_text(stream.dialect, stream.text));
        for end in ["\n", "\r\n", "\r"] {
            let text = stream.text.replace('\n', end);
            for size in [1, 2, 3, 7, 64, 1400] {
                let reader = read(Some(stream.dialect), text.as_bytes().chunks(size));
                assert_eq!(facts(&reader), whole, "{} with {end:?} by {size}", stream.name);
            }
        }
    }
}

#[test]
fn data_in_several_lines_is_one_document() {
    let text = "data: {\"choices\":[{\"delta\":\ndata: {\"content\":\ndata: \"x\"},\ndata: \"finish_reason\":\"stop\"}]}\n\n";
    let reader = read_text(Dialect::OpenAiChat, text);
    assert!(reader.has_content());
    assert_eq!(reader.finish_reason(), Some(FinishReason::Stop));
}

#[test]
fn plain_events_are_only_counted() {
    let text = "data: [DONE]\n\ndata: {\"error\":{}}\n\nevent: error\ndata: x\n\n";
    for dialect in [None, Some(Dialect::OpenAiEmbeddings)] {
        let mut reader = StreamReader::new(dialect);
        assert!(!reader.has_content());
        Framer::new().push(text.as_bytes(), &mut reader);
        assert_eq!(facts(&reader), (true, false, None, Usage::default(), None, 3));
        assert!(!reader.expects_marker());
    }
}

#[test]
fn what_is_not_known_or_not_json_says_nothing() {
    let text = "data: {\"usage\":{\"prompt_tokens\":-1,\"completion_tokens\":\"7\"},\"error\":null}\n\n\
        data: {\"usage\":{\"prompt_tokens\":1.5,\"completion_tokens\":99999999999999999999},\"error\":\"\"}\n\n\
        data: {\"choices\":[{\"finish_reason\":7,\"delta\":\"x\"}],\"object\":\"future\"}\n\n\
        data: {\"choices\":[{\"delta\":{\"content\":[\"\"]}}]}\n\n\
        data: <html>502 Bad Gateway</html>\n\n\
        data: [DONE\n\n\
        data: \"[DONE]\"\n\n\
        event: future\ndata: \n\n\
        data: {\"choices\":[{\"delta\":{\"con\n\n";
    let reader = read_text(Dialect::OpenAiChat, text);
    assert_eq!(facts(&reader), (false, false, None, Usage::default(), None, 9));
}

#[test]
fn each_event_is_read_for_itself() {
    let text = "data: {\"usage\":{\"prompt_tokens\":\n\ndata: 5}}\n\ndata: [DO\n\ndata: NE]\n\n\
        data: {\"choices\":[{\"finish_reason\":\"stop\"}]}\n\n";
    let reader = read_text(Dialect::OpenAiChat, text);
    assert_eq!(reader.usage(), Usage::default());
    assert!(!reader.is_terminated());
    assert_eq!(reader.finish_reason(), Some(FinishReason::Stop));
}

#[test]
fn the_type_on_the_event_counts_where_the_data_has_none() {
    let overloaded = "event: error\ndata: {\"error\":{\"type\":\"overloaded_error\"}}\n\n";
    assert_eq!(read_text(Dialect::AnthropicMessages, overloaded).error(), OVERLOAD);
    assert_eq!(
        read_text(Dialect::OpenAiChat, "event: error\ndata: boom\n\n").error(),
        Some(Outcome::Failure)
    );
    assert!(read_text(Dialect::AnthropicMessages, "event: message_stop\ndata: {}\n\n").is_terminated());
}

#[test]
fn an_event_of_type_error_is_one_whatever_its_data_says() {
    for dialect in [Dialect::AnthropicMessages, Dialect::OpenAiResponses] {
        let reader = read_text(dialect, "event: error\ndata: {\"type\":\"future\"}\n\n");
        assert_eq!(reader.error(), Some(Outcome::Failure));
    }
}

#[test]
fn each_code_of_a_failed_response_says_whose_fault_it_is() {
    // All of `ResponseError.code` in OpenAI's Python library.
    for (code, expected) in [
        ("server_error", Some(Outcome::Failure)),
        ("rate_limit_exceeded", RATE),
        ("invalid_prompt", IGNORED),
        ("data_residency_mismatch", IGNORED),
        ("bio_policy", IGNORED),
        ("misalignment_policy_violation", IGNORED),
        ("vector_store_timeout", OVERLOAD),
        ("invalid_image", IGNORED),
        ("invalid_image_format", IGNORED),
        ("invalid_base64_image", IGNORED),
        ("invalid_image_url", IGNORED),
        ("image_too_large", IGNORED),
        ("image_too_small", IGNORED),
        ("image_parse_error", IGNORED),
        ("image_content_policy_violation", IGNORED),
        ("invalid_image_mode", IGNORED),
        ("image_file_too_large", IGNORED),
        ("unsupported_image_media_type", IGNORED),
        ("empty_image_file", IGNORED),
        ("failed_to_download_image", IGNORED),
        ("image_file_not_found", IGNORED),
    ] {
        let text = format!(
            "data: {{\"type\":\"response.failed\",\"response\":{{\"error\":{{\"code\":\"{code}\"}}}}}}\n\n"
        );
        assert_eq!(read_text(Dialect::OpenAiResponses, &text).error(), expected, "{code}");
    }
}

#[test]
fn an_error_word_of_chat_may_be_a_status_or_stand_alone() {
    for (code, expected) in [
        ("429", RATE),
        ("503", OVERLOAD),
        ("408", OVERLOAD),
        ("402", QUOTA),
        ("404", IGNORED),
        ("500", Some(Outcome::Failure)),
        ("model_not_found", IGNORED),
        ("content_filter", IGNORED),
        ("content_policy_violation", IGNORED),
        ("context_length_exceeded", IGNORED),
    ] {
        let text = format!("data: {{\"error\":{{\"code\":\"{code}\",\"type\":null}}}}\n\n");
        assert_eq!(read_text(Dialect::OpenAiChat, &text).error(), expected, "{code}");
    }
}

#[test]
fn a_custom_tool_and_text_in_parts_are_content() {
    for delta in [
        r#"{"tool_calls":[{"custom":{"name":"f"}}]}"#,
        r#"{"tool_calls":[{"custom":{"input":"x"}}]}"#,
        r#"{"content":[{"type":"text","text":"x"}]}"#,
    ] {
        let text = format!("data: {{\"choices\":[{{\"delta\":{delta}}}]}}\n\n");
        assert!(read_text(Dialect::OpenAiChat, &text).has_content(), "{delta}");
    }
}

#[test]
fn a_shell_call_asks_the_caller_unless_the_shell_is_hosted() {
    for (environment, expected) in [
        ("null", FinishReason::ToolCalls),
        (r#"{"type":"local"}"#, FinishReason::ToolCalls),
        (r#"{"type":"container_reference","container_id":"c"}"#, FinishReason::Stop),
    ] {
        let item = format!(r#"{{"item":{{"environment":{environment},"type":"shell_call"}}}}"#);
        let text = format!("data: {item}\n\ndata: {{\"type\":\"response.completed\"}}\n\n");
        assert_eq!(read_text(Dialect::OpenAiResponses, &text).finish_reason(), Some(expected), "{item}");
    }
}

#[test]
fn the_first_error_counts_and_its_most_telling_word() {
    for (error, expected) in [
        (r#"{"type":"requests","code":"rate_limit_exceeded"}"#, RATE),
        (r#"{"code":"rate_limit_exceeded","type":"invalid_request_error"}"#, RATE),
        (r#"{"type":"insufficient_quota","code":429}"#, QUOTA),
        (r#"{"type":"BadRequestError","code":400}"#, Some(Outcome::Ignored)),
        (r#"{"type":"invalid_request_error","code":null}"#, Some(Outcome::Ignored)),
        (r#"{"type":"server_error","code":"server_is_overloaded"}"#, OVERLOAD),
        (r#"{"type":"future_error"}"#, Some(Outcome::Failure)),
        (r#""boom""#, Some(Outcome::Failure)),
    ] {
        let text = format!(
            "data: {{\"error\":{error}}}\n\ndata: {{\"error\":{{\"type\":\"rate_limit_error\"}}}}\n\n"
        );
        assert_eq!(read_text(Dialect::OpenAiChat, &text).error(), expected, "{error}");
    }
}

#[test]
fn reading_a_stream_never_allocates() {
    for stream in streams() {
        for size in [1, 7, 128, usize::MAX] {
            let info = allocation_counter::measure(|| {
                read(Some(stream.dialect), stream.text.as_bytes().chunks(size));
            });
            assert_eq!(info.count_total, 0, "{} by {size}", stream.name);
        }
    }
}

#[test]
fn the_state_of_a_stream_is_small() {
    let size = size_of::<StreamReader>();
    assert!(size <= 200, "{size}: the README says 200");
}

proptest! {
    #[test]
    fn a_stream_reads_the_same_however_it_is_cut(
        which in any::<prop::sample::Index>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        carriage_return: bool,
    ) {
        let streams = streams();
        let stream = which.get(&streams);
        let text = if carriage_return { stream.text.replace('\n', "\r\n") } else { stream.text.to_owned() };
        let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        ends.push(text.len());
        ends.sort_unstable();
        let starts = std::iter::once(0).chain(ends.clone());
        let pieces = starts.zip(ends).map(|(start, end)| &text.as_bytes()[start..end]);
        let cut = read(Some(stream.dialect), pieces);
        prop_assert_eq!(facts(&cut), facts(&read_text(stream.dialect, stream.text)));
    }

    #[test]
    fn no_bytes_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..64), which in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
    ) {
        let streams = streams();
        let stream = which.get(&streams);
        let mut text = stream.text.as_bytes().to_vec();
        let at = at.index(text.len());
        text.splice(at..at, bytes);
        let whole = read(Some(stream.dialect), [text.as_slice()]);
        prop_assert_eq!(facts(&read(Some(stream.dialect), text.chunks(1))), facts(&whole));
    }
}
