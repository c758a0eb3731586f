//! What of an answer is worth keeping, and an answer that is kept said again.

mod essence;
mod text;

use std::collections::BTreeMap;

use bytes::Bytes;
use dashpot_wire::{
    dialect::{Dialect, StreamReader},
    modes::{Collect, expand_in_pieces},
    sse::{Limits, Parser, Sink as _},
};
use serde_json::Value;
use tokio::task::yield_now;

use self::essence::essence;
pub(crate) use self::text::text;
use crate::Keep;

/// An answer in the form in which it is kept.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Kept {
    pub(crate) bytes: Bytes,
    pub(crate) events: bool,
    pub(crate) has_usage: bool,
}

/// About so much of a stream is read before others have their turn: some twenty events, of which each takes a few
/// microseconds.
const AT_A_TIME: usize = 8 << 10;

/// Makes what is kept of a stream that has come; `None` if it is not complete, or not to be kept.
///
/// A chat without its marker is complete if its body ended in order (`is_whole`) after every choice had stopped.
///
/// It reads what took seconds to come: now and then others have their turn.
pub(crate) async fn of_stream(
    dialect: Dialect,
    chunks: &[Bytes],
    is_whole: bool,
    keep: Keep,
    max_bytes: usize,
) -> Option<Kept> {
    let Some(mut collect) = Collect::new(dialect, max_bytes) else {
        return of_events(dialect, chunks, keep, max_bytes);
    };
    let mut bytes = 0;
    for chunk in chunks {
        collect.push(chunk).ok()?;
        bytes += chunk.len();
        if bytes >= AT_A_TIME {
            bytes = 0;
            yield_now().await;
        }
    }
    if !is_whole && !collect.is_complete() {
        return None;
    }
    let answer = collect.finish().ok()?;
    let kept = may_keep(dialect, &answer, keep).then(|| answer.to_string());
    kept.map(|text| Kept { bytes: exactly(text.as_bytes()), events: false, has_usage: has_usage(&answer) })
}

/// The same of an API whose streams cannot be made whole.
fn of_events(dialect: Dialect, chunks: &[Bytes], keep: Keep, max_bytes: usize) -> Option<Kept> {
    let mut parser = Parser::new(Limits { max_line: max_bytes, max_event: max_bytes });
    let mut reader = StreamReader::new(Some(dialect));
    // Why each of the choices ended, by its index: there is one for each prompt.
    let (mut reasons, mut is_readable) = (BTreeMap::new(), dialect == Dialect::OpenAiCompletions);
    for chunk in chunks {
        let parsed = parser.push(chunk, |event| {
            reader.data(event.data.as_bytes());
            reader.dispatch(event.event.as_bytes());
            is_readable &= reader.is_terminated() || note_reasons(event.data, &mut reasons);
        });
        parsed.ok()?;
    }
    let is_complete = is_readable && reader.is_terminated() && reader.error().is_none();
    let is_kept = !reasons.is_empty() && reasons.values().all(|reason| stopped(reason, keep));
    (is_complete && is_kept).then(|| Kept { bytes: chunks.concat().into(), events: true, has_usage: true })
}

/// Whether it is a chunk of completions; and why those of its choices ended that have.
fn note_reasons(data: &str, reasons: &mut BTreeMap<u64, Value>) -> bool {
    let Ok(mut chunk) = serde_json::from_str::<Value>(data) else { return false };
    let Some(choices) = chunk["choices"].as_array_mut() else { return false };
    choices.iter_mut().all(|choice| {
        let reason = choice.get_mut("finish_reason").map(Value::take).unwrap_or_default();
        let known = reasons.entry(choice["index"].as_u64().unwrap_or_default()).or_default();
        if !reason.is_null() {
            *known = reason;
        }
        choice.is_object() && choice["error"].is_null()
    })
}

/// Makes what is kept of a whole answer that has come.
pub(crate) fn of_whole(dialect: Dialect, chunks: &[Bytes], keep: Keep) -> Option<Kept> {
    let bytes = match chunks {
        [bytes] => exactly(bytes),
        chunks => chunks.concat().into(),
    };
    let answer = essence(&bytes)?;
    may_keep(dialect, &answer, keep).then(|| Kept { bytes, events: false, has_usage: has_usage(&answer) })
}

/// A kept answer in pieces has about a word and a half in each, as models write it; or a thousandth of it all, since what
/// is around a piece is many times as long as it.
const PIECE_BYTES: usize = 10;
const PIECES: usize = 1000;

/// A kept answer as a stream; `None` if it cannot be one, as it is known to be able when it is stored.
pub(crate) fn as_stream(
    dialect: Dialect,
    answer: &[u8],
    include_usage: bool,
    in_pieces: bool,
) -> Option<Bytes> {
    // Its events repeat what it says once, a few times.
    let max_bytes = answer.len().saturating_mul(8).saturating_add(1 << 16);
    let (piece_bytes, max_bytes) = if in_pieces {
        (PIECE_BYTES.max(answer.len() / PIECES), max_bytes.saturating_add(PIECES << 10))
    } else {
        (usize::MAX, max_bytes)
    };
    let answer = serde_json::from_slice(answer).ok()?;
    expand_in_pieces(dialect, &answer, include_usage, max_bytes, piece_bytes).ok().map(Into::into)
}

/// The same bytes alone: they may be a small part of a large buffer, which would be kept with them.
fn exactly(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

fn has_usage(answer: &Value) -> bool {
    answer.get("usage").is_some_and(Value::is_object)
}

/// Whether it is an answer at all, complete, and of a kind that the next who asks would be content with.
fn may_keep(dialect: Dialect, answer: &Value, keep: Keep) -> bool {
    // Said beside what had come until then, by those who answer 200 all the same.
    if !answer["error"].is_null() {
        return false;
    }
    match dialect {
        Dialect::OpenAiChat => each(&answer["choices"], |choice| {
            let message = &choice["message"];
            let calls = called(&message["tool_calls"]) || !message["function_call"].is_null();
            stopped(&choice["finish_reason"], keep)
                && choice["error"].is_null()
                && message["refusal"].is_null()
                && (keep.tool_calls || !calls)
        }),
        Dialect::OpenAiCompletions => each(&answer["choices"], |choice| {
            stopped(&choice["finish_reason"], keep) && choice["error"].is_null()
        }),
        Dialect::OpenAiEmbeddings => each(&answer["data"], |entry| !entry["embedding"].is_null()),
        Dialect::OpenAiResponses => {
            let is_cut_off = answer["incomplete_details"]["reason"] == "max_output_tokens";
            let is_over = match answer["status"].as_str() {
                Some("completed") => true,
                Some("incomplete") => keep.cut_off && is_cut_off,
                _ => false,
            };
            let is_refusal = |part: &Value| part["type"] == "refusal";
            is_over
                && each(&answer["output"], |item| match item["type"].as_str() {
                    Some("message") => {
                        !item["content"].as_array().is_some_and(|parts| parts.iter().any(is_refusal))
                    }
                    Some("reasoning") => true,
                    // What a tool found is of its moment.
                    _ => keep.tool_calls,
                })
        }
        Dialect::AnthropicMessages => {
            let is_over = match answer["stop_reason"].as_str() {
                Some("end_turn" | "stop_sequence") => true,
                Some("max_tokens" | "model_context_window_exceeded") => keep.cut_off,
                Some("tool_use") => keep.tool_calls,
                _ => false,
            };
            let is_call = |block: &Value| {
                !matches!(block["type"].as_str(), Some("text" | "thinking" | "redacted_thinking"))
            };
            is_over && each(&answer["content"], |block| keep.tool_calls || !is_call(block))
        }
        _ => false,
    }
}

fn stopped(reason: &Value, keep: Keep) -> bool {
    match reason.as_str() {
        Some("stop") => true,
        Some("length") => keep.cut_off,
        Some("tool_calls" | "function_call") => keep.tool_calls,
        _ => false,
    }
}

fn called(calls: &Value) -> bool {
    calls.as_array().is_some_and(|calls| !calls.is_empty())
}

/// Whether it is a list with something in it, and all of it is so.
fn each(list: &Value, is_so: impl Fn(&Value) -> bool) -> bool {
    list.as_array().is_some_and(|list| !list.is_empty() && list.iter().all(is_so))
}
