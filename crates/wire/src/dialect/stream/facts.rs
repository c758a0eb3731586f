use super::paths::{Count, Field};
use crate::{dialect::error::ErrorClass, json::Scalar};

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
pub(super) struct Facts {
    /// `u32`, since four thousand million tokens are not a count; a number that is none is not kept.
    pub(super) counts: [Option<u32>; Count::LEN],
    pub(super) content: bool,
    /// The caller is to call a tool, in dialects whose finish reason does not say so.
    pub(super) tool_call: bool,
    /// A shell is called, which is the caller's unless it is hosted.
    shell: bool,
    hosted: bool,
    pub(super) terminal: bool,
    /// The JSON has a type.
    pub(super) typed: bool,
    pub(super) failed: bool,
    pub(super) finish: Option<FinishReason>,
    /// Within an event: of the words that would describe an error. Of all events: of the first error.
    pub(super) error: Option<ErrorClass>,
}

impl Facts {
    pub(super) fn note(&mut self, field: Field, scalar: Scalar<'_>) {
        match (field, scalar) {
            (Field::Content, Scalar::Str(text)) => self.content |= !text.is_empty(),
            (Field::ToolCall, Scalar::Str(text)) if !text.is_empty() => {
                (self.content, self.tool_call) = (true, true);
            }
            // Those that OpenAI runs itself, such as `web_search_call`, ask nothing of the caller.
            (Field::Item, Scalar::Str(word)) => {
                self.shell = word == b"shell_call";
                self.tool_call |= matches!(
                    word,
                    b"function_call"
                        | b"custom_tool_call"
                        | b"computer_call"
                        | b"local_shell_call"
                        | b"apply_patch_call"
                );
            }
            (Field::Host, Scalar::Str(word)) => self.hosted = word == b"container_reference",
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

    pub(super) fn note_type(&mut self, word: &[u8]) {
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

    pub(super) fn add(&mut self, event: &Self) {
        for (count, new) in self.counts.iter_mut().zip(event.counts) {
            *count = new.or(*count);
        }
        self.content |= event.content;
        self.tool_call |= event.tool_call || event.shell && !event.hosted;
        self.terminal |= event.terminal;
        self.finish = event.finish.or(self.finish);
        if event.failed {
            self.error = self.error.or(event.error).or(Some(ErrorClass::Failure));
        }
    }
}
