mod facts;
mod paths;

use std::mem;

use dashpot_core::Outcome;

pub use self::facts::{FinishReason, Usage};
use self::{
    facts::Facts,
    paths::{Count, Field},
};
use super::{Dialect, error::ErrorClass};
use crate::{
    json::{Paths, Scanner},
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
    /// the prompt). Of several candidates the first reason ends it, though the others may still write.
    /// Never for plain events.
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
                // Anthropic's library raises for the event's type, whatever its data says.
                let raises = matches!(dialect, Dialect::AnthropicMessages | Dialect::OpenAiResponses);
                if !event.typed || raises && event_type == b"error" {
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
