mod paths;

use std::mem;

use dashpot_core::Outcome;

use self::paths::{Count, Field};
use super::{Dialect, error::ErrorClass};
use crate::{
    json::{Paths, Scalar, Scanner},
    sse::Sink,
};

/// Reads a stream of one dialect as it passes: a [`Sink`] for what a [`Framer`](crate::sse::Framer) finds.
///
/// O(1) memory whatever the events hold, no allocation, the same result however the stream is cut. Only what is in a
/// complete event counts, as the standard says; an event that is not JSON of a known shape is counted and says nothing.
#[derive(Clone, Debug)]
pub struct StreamReader {
    dialect: Option<Dialect>,
    scanner: Scanner,
    /// How much of [`DONE`] the event's data begins with; [`NOT_DONE`] once it differs.
    done: u8,
    /// What the event being read says.
    event: Facts,
    /// What the complete events said.
    seen: Facts,
    events: u64,
}

/// OpenAI's marker. What follows it in the same event does not matter to the official library, nor here.
const DONE: &[u8] = b"[DONE]";
const NOT_DONE: u8 = u8::MAX;

impl StreamReader {
    /// A reader for a stream of `dialect`.
    ///
    /// `None` is plain server-sent events: it only counts them, and takes the first for the first content.
    /// So it is for embeddings, which have no stream.
    #[must_use]
    pub fn new(dialect: Option<Dialect>) -> Self {
        Self {
            dialect: dialect.filter(|dialect| *dialect != Dialect::OpenAiEmbeddings),
            scanner: Scanner::new(),
            done: 0,
            event: Facts::default(),
            seen: Facts::default(),
            events: 0,
        }
    }

    /// Whether the first content has passed: a piece of text, of reasoning, of a refusal or of a tool call (its name
    /// counts), or of sound or an image. Role chunks, pings and empty pieces are not content.
    #[must_use]
    pub fn has_content(&self) -> bool {
        self.seen.content
    }

    /// Whether the stream has said that it is complete: `[DONE]` (OpenAI), `response.completed`,
    /// `response.incomplete` or `response.failed` (responses), `message_stop` (Anthropic). An error event is not this
    /// marker: see [`error`](Self::error).
    ///
    /// Gemini has no marker and its last event has no mark, but a finish reason ends the answer (or a block reason
    /// the prompt). Never for plain events.
    #[must_use]
    pub fn is_terminated(&self) -> bool {
        self.seen.terminal || self.dialect == Some(Dialect::Gemini) && self.seen.finish.is_some()
    }

    /// Whether a stream that ends without [`is_terminated`](Self::is_terminated) was cut off: in every dialect, but
    /// not for plain events. Gemini's reference says that without a finish reason the model has not stopped.
    #[must_use]
    pub fn expects_marker(&self) -> bool {
        self.dialect.is_some()
    }

    /// What the first error event means, if one has passed. `Ignored` where it says that the request was wrong.
    ///
    /// From `type`, `code` and `status` of the error, whichever says most; without a known word it is a failure.
    /// Gemini can send an error as bare JSON between events, which no reader of events sees: the stream is then cut off.
    #[must_use]
    pub fn error(&self) -> Option<Outcome> {
        self.seen.error.map(ErrorClass::outcome)
    }

    /// The token counts so far; where several events count, the last is right (all count from the start).
    #[must_use]
    pub fn usage(&self) -> Usage {
        let count = |count: Count| self.seen.counts[count as usize].map(u64::from);
        let sum = |a: Option<u64>, b: Option<u64>| a.map(|a| a + b.unwrap_or(0)).or(b);
        let (input, cached) = (sum(count(Count::Input), count(Count::MoreInput)), count(Count::Cached));
        Usage {
            // Anthropic counts what came from the cache apart, the others within the input.
            input_tokens: match self.dialect {
                Some(Dialect::AnthropicMessages) => sum(input, cached),
                _ => input,
            },
            cached_input_tokens: cached,
            output_tokens: sum(count(Count::Output), count(Count::MoreOutput)),
        }
    }

    /// Why the model stopped, once it said so; of several choices, what the last said.
    #[must_use]
    pub fn finish_reason(&self) -> Option<FinishReason> {
        match self.seen.finish? {
            // Responses and Gemini say that they stopped, and leave it to the reader to see the calls.
            FinishReason::Stop if self.seen.tool_call => Some(FinishReason::ToolCalls),
            finish => Some(finish),
        }
    }

    /// How many events were complete.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    fn paths(&self) -> Option<&'static Paths<Field>> {
        Some(match self.dialect? {
            Dialect::OpenAiChat | Dialect::OpenAiCompletions | Dialect::OpenAiEmbeddings => &paths::CHAT,
            Dialect::OpenAiResponses => &paths::RESPONSES,
            Dialect::AnthropicMessages => &paths::ANTHROPIC,
            Dialect::Gemini => &paths::GEMINI,
        })
    }
}

impl Sink for StreamReader {
    fn data(&mut self, piece: &[u8]) {
        let Some(paths) = self.paths() else { return };
        for &byte in piece.iter().take(DONE.len()) {
            match DONE.get(usize::from(self.done)) {
                Some(&next) if next == byte => self.done += 1,
                Some(_) => self.done = NOT_DONE,
                None => break,
            }
        }
        let event = &mut self.event;
        self.scanner.push(paths, piece, |field, scalar| event.note(field, scalar));
    }

    fn dispatch(&mut self, event_type: &[u8]) {
        self.events += 1;
        self.scanner.reset();
        let mut event = mem::take(&mut self.event);
        let done = mem::take(&mut self.done);
        match self.dialect {
            None => event.content = true,
            Some(dialect) => {
                if !event.typed {
                    event.note_type(event_type);
                }
                let has_done = !matches!(dialect, Dialect::AnthropicMessages | Dialect::Gemini);
                event.terminal |= has_done && usize::from(done) == DONE.len();
            }
        }
        self.seen.add(&event);
    }

    fn discard(&mut self) {
        self.scanner.reset();
        self.event = Facts::default();
        self.done = 0;
    }
}

/// Token counts as the upstream states them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// All tokens that were read, those from a cache and those written to one included.
    pub input_tokens: Option<u64>,
    /// How many of them came from the provider's prompt cache.
    pub cached_input_tokens: Option<u64>,
    /// All tokens that were written, reasoning included.
    pub output_tokens: Option<u64>,
}

/// Why a model stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FinishReason {
    /// It had said everything, or came to a stop sequence.
    Stop,
    /// It came to the limit of tokens.
    Length,
    /// It wants tools called.
    ToolCalls,
    /// It declined, or a filter did.
    ContentFilter,
    /// Anything else.
    Other,
}

impl FinishReason {
    /// Of a word in any of the dialects: no word means different things in two of them.
    fn of_word(word: &[u8]) -> Option<Self> {
        Some(match word {
            b"" => return None,
            // Protocol buffers: not said.
            _ if word.ends_with(b"_UNSPECIFIED") => return None,
            b"stop" | b"end_turn" | b"stop_sequence" | b"STOP" => Self::Stop,
            b"length"
            | b"max_tokens"
            | b"max_output_tokens"
            | b"model_context_window_exceeded"
            | b"MAX_TOKENS" => Self::Length,
            b"tool_calls" | b"function_call" | b"tool_use" => Self::ToolCalls,
            b"content_filter"
            | b"refusal"
            | b"SAFETY"
            | b"RECITATION"
            | b"BLOCKLIST"
            | b"PROHIBITED_CONTENT"
            | b"SPII"
            | b"MODEL_ARMOR"
            | b"IMAGE_SAFETY"
            | b"IMAGE_PROHIBITED_CONTENT"
            | b"IMAGE_RECITATION" => Self::ContentFilter,
            _ => Self::Other,
        })
    }
}

/// What one event says, or all so far.
#[derive(Clone, Copy, Debug, Default)]
struct Facts {
    /// `u32`, since four thousand million tokens are not a count; a number that is none is not kept.
    counts: [Option<u32>; Count::LEN],
    content: bool,
    /// The caller is to call a tool, in dialects whose finish reason does not say so.
    tool_call: bool,
    terminal: bool,
    /// The JSON has a type.
    typed: bool,
    failed: bool,
    finish: Option<FinishReason>,
    /// Within an event: of the words that would describe an error. Of all events: of the first error.
    error: Option<ErrorClass>,
}

impl Facts {
    fn note(&mut self, field: Field, scalar: Scalar<'_>) {
        match (field, scalar) {
            (Field::Content, Scalar::Str(text)) => self.content |= !text.is_empty(),
            (Field::ToolCall, Scalar::Str(text)) if !text.is_empty() => {
                (self.content, self.tool_call) = (true, true);
            }
            // Those that OpenAI runs itself, such as `web_search_call`, ask nothing of the caller.
            (Field::Item, Scalar::Str(word)) => {
                self.tool_call |= matches!(
                    word,
                    b"function_call"
                        | b"custom_tool_call"
                        | b"computer_call"
                        | b"local_shell_call"
                        | b"apply_patch_call"
                );
            }
            (Field::Finish, Scalar::Str(word)) => self.finish = FinishReason::of_word(word).or(self.finish),
            (Field::Count(count), Scalar::Number(number)) => {
                let number = str::from_utf8(number).ok().and_then(|number| number.parse().ok());
                self.counts[count as usize] = number.or(self.counts[count as usize]);
            }
            (Field::Type, Scalar::Str(word)) => {
                self.typed = true;
                self.note_type(word);
            }
            (Field::Error, Scalar::Object) => self.failed = true,
            (Field::Error, Scalar::Str(text)) => self.failed |= !text.is_empty(),
            (Field::ErrorWord, Scalar::Str(word)) => {
                self.error = self.error.max(Some(ErrorClass::of_word(word)));
            }
            (Field::ErrorWord, Scalar::Number(number)) => {
                self.error = self.error.max(Some(ErrorClass::of_status(number)));
            }
            _ => {}
        }
    }

    fn note_type(&mut self, word: &[u8]) {
        match word {
            b"error" => self.failed = true,
            b"message_stop" => self.terminal = true,
            b"response.completed" => {
                self.terminal = true;
                self.finish.get_or_insert(FinishReason::Stop);
            }
            // The reason is in `incomplete_details`, before or after.
            b"response.incomplete" => {
                self.terminal = true;
                self.finish.get_or_insert(FinishReason::Other);
            }
            b"response.failed" => (self.terminal, self.failed) = (true, true),
            _ => {}
        }
    }

    fn add(&mut self, event: &Self) {
        for (count, new) in self.counts.iter_mut().zip(event.counts) {
            *count = new.or(*count);
        }
        self.content |= event.content;
        self.tool_call |= event.tool_call;
        self.terminal |= event.terminal;
        self.finish = event.finish.or(self.finish);
        if event.failed {
            self.error = self.error.or(event.error).or(Some(ErrorClass::Failure));
        }
    }
}
