mod anthropic;
mod chat;
mod error;
mod merge;
mod responses;

use serde_json::Value;

pub use self::error::CollectError;
use self::{anthropic::Anthropic, chat::Chat, responses::Responses};
use super::{
    Object,
    budget::{Budget, Full},
};
use crate::{
    dialect::{Dialect, StreamReader},
    sse::{Event, Limits, Parser, Sink, TooLong},
};

/// Makes a whole answer of a stream: is handed chunks, cut anywhere, and gives the JSON once the stream is complete.
///
/// ```
/// use dashpot_wire::{dialect::Dialect, modes::Collect};
///
/// let mut collect = Collect::new(Dialect::OpenAiChat, 1 << 20).expect("chat can be collected");
/// collect.push(br#"data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"Hel"}}]}"#)?;
/// collect.push(b"\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"lo\"},\"finish_reason\":\"stop\"}]}\n\n")?;
/// collect.push(b"data: [DONE]\n\n")?;
/// let answer = collect.finish()?;
/// assert_eq!(answer["object"], "chat.completion");
/// assert_eq!(answer["choices"][0]["message"]["content"], "Hello");
/// # Ok::<(), dashpot_wire::modes::CollectError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Collect {
    parser: Parser,
    state: State,
    failed: Option<CollectError>,
}

impl Collect {
    /// Collects a stream of `dialect`; `None` for a dialect that is not one of the three.
    ///
    /// No more than about `max_bytes` of memory are kept for the answer, every part of it counted with what it takes;
    /// texts that grow may have as much again in reserve. One event has no more than `max_bytes` of data either. While
    /// it is read it takes a few times its bytes, or a hundred times if it consists of the smallest objects. Text takes
    /// about its own length; the log probabilities of a token take 1 KiB for each alternative.
    #[must_use]
    pub fn new(dialect: Dialect, max_bytes: usize) -> Option<Self> {
        let answer = match dialect {
            Dialect::OpenAiChat => Answer::Chat(Chat::default()),
            Dialect::OpenAiResponses => Answer::Responses(Responses::default()),
            Dialect::AnthropicMessages => Answer::Anthropic(Anthropic::default()),
            _ => return None,
        };
        Some(Self {
            parser: Parser::new(Limits { max_line: max_bytes, max_event: max_bytes }),
            state: State {
                reader: StreamReader::new(Some(dialect)),
                budget: Budget::new(max_bytes),
                max_bytes,
                answer,
            },
            failed: None,
        })
    }

    /// Reads one chunk. What follows the end of the answer is not looked at.
    ///
    /// # Errors
    /// When the stream says that it failed, cannot be read, or is too large; every later call fails alike.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), CollectError> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        if self.is_complete() {
            return Ok(());
        }
        let (state, mut failed) = (&mut self.state, None);
        let parsed = self.parser.push(chunk, |event| {
            if failed.is_none() && !state.reader.is_terminated() {
                failed = state.event(event).err();
            }
        });
        if failed.is_none() && !state.reader.is_terminated() {
            failed = parsed
                .err()
                .map(|(TooLong::Line(limit) | TooLong::Event(limit))| CollectError::TooLarge(limit));
        }
        self.failed = failed;
        self.failed.clone().map_or(Ok(()), Err)
    }

    /// Whether the stream has said that it is complete, so that [`finish`](Self::finish) need not wait for its end.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.state.reader.is_terminated()
    }

    /// The answer, when the stream [is complete](Self::is_complete) or its body has ended in order.
    ///
    /// Then a chat need not have its marker, if every choice has said why it stopped.
    ///
    /// # Errors
    /// As [`push`](Self::push) failed; or the stream was cut off, or has no answer in it.
    pub fn finish(mut self) -> Result<Value, CollectError> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        let has_stopped = matches!(&self.state.answer, Answer::Chat(chat) if chat.has_stopped());
        if !self.is_complete() && !has_stopped {
            return Err(CollectError::Truncated);
        }
        let answer = match self.state.answer {
            Answer::Chat(chat) => chat.finish(),
            Answer::Responses(responses) => responses.finish(),
            Answer::Anthropic(anthropic) => anthropic.finish(&mut self.state.budget),
        };
        answer.map(Value::Object).map_err(|fault| fault.into_error(self.state.max_bytes))
    }
}

/// Why an event could not be added to the answer.
#[derive(Debug)]
enum Fault {
    Full,
    Unreadable(&'static str),
}

impl Fault {
    const NONE: Self = Self::Unreadable("the stream has no answer in it");

    const fn into_error(self, max_bytes: usize) -> CollectError {
        match self {
            Self::Full => CollectError::TooLarge(max_bytes),
            Self::Unreadable(why) => CollectError::Unreadable(why),
        }
    }
}

impl From<Full> for Fault {
    fn from(_: Full) -> Self {
        Self::Full
    }
}

#[derive(Clone, Debug)]
struct State {
    /// Says where the stream ends, and what its errors mean.
    reader: StreamReader,
    budget: Budget,
    max_bytes: usize,
    answer: Answer,
}

impl State {
    fn event(&mut self, event: Event<'_>) -> Result<(), CollectError> {
        let budget = &mut self.budget;
        // A piece of text neither ends the stream nor says that it failed, if its event has no type that does.
        if let Answer::Chat(chat) = &mut self.answer
            && event.event == "message"
            && chat.piece(event.data, budget).map_err(|fault| fault.into_error(self.max_bytes))?
        {
            return Ok(());
        }
        self.reader.data(event.data.as_bytes());
        self.reader.dispatch(event.event.as_bytes());
        if let Some(outcome) = self.reader.error() {
            return Err(CollectError::Upstream { outcome, data: event.data.to_owned() });
        }
        // The libraries skip events without data, and do not read OpenAI's marker to its end.
        if event.data.is_empty() || event.data.starts_with("[DONE]") {
            return Ok(());
        }
        let data = serde_json::from_str(event.data)
            .map_err(|_| CollectError::Unreadable("an event of the stream is not a JSON object"))?;
        let added = match &mut self.answer {
            Answer::Chat(chat) => chat.chunk(data, budget),
            Answer::Responses(responses) => responses.event(data, event.event, budget),
            Answer::Anthropic(anthropic) => anthropic.event(data, event.event, budget),
        };
        added.map_err(|fault| fault.into_error(self.max_bytes))
    }
}

#[derive(Clone, Debug)]
enum Answer {
    Chat(Chat),
    Responses(Responses),
    Anthropic(Anthropic),
}

/// The type of an event: what its data says, or else its line `event`.
fn kind(data: &mut Object, event: &str) -> String {
    match data.remove("type") {
        Some(Value::String(kind)) => kind,
        _ => event.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collect(stream: &str) -> (Collect, Result<(), CollectError>) {
        let mut collect = Collect::new(Dialect::OpenAiChat, 1 << 20).unwrap();
        let result = collect.push(stream.as_bytes());
        (collect, result)
    }

    fn event(text: &str) -> String {
        format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n")
    }

    #[test]
    fn pieces_of_text_are_not_read_for_what_ends_a_stream() {
        let (collect, result) = collect(&["a", "b", "\\n", "c"].map(event).concat());
        assert_eq!((result, collect.state.reader.events()), (Ok(()), 1), "all but the first are pieces");
    }

    #[test]
    fn a_piece_of_text_that_is_called_an_error_is_one() {
        let (_, result) =
            collect(&[event("a"), event("b"), format!("event: error\n{}", event("c"))].concat());
        assert!(matches!(result, Err(CollectError::Upstream { .. })), "{result:?}");
    }
}
