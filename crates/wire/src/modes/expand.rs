mod anthropic;
mod chat;
mod pieces;
mod responses;

use std::{error::Error, fmt};

use serde_json::{Value, json};

use super::Object;
use crate::{dialect::Dialect, sse::Message};
use pieces::Pieces;

/// The bytes of an event stream that says what a whole `answer` of `dialect` says: the same events in the same order as
/// the API sends, up to its marker at the end, with each text in one piece.
///
/// `include_usage` is what an OpenAI chat request says in `stream_options`: usage comes in a last chunk, or not at all.
/// The other dialects always state it. Collected again, this is the answer, but for the usage that nobody asked for.
///
/// ```
/// use dashpot_wire::{dialect::Dialect, modes::expand};
/// use serde_json::json;
///
/// let answer = json!({
///     "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
///     "content": [{"type": "text", "text": "Hello"}],
///     "usage": {"input_tokens": 1, "output_tokens": 2},
/// });
/// let stream = expand(Dialect::AnthropicMessages, &answer, true, 1 << 20)?;
/// assert!(stream.starts_with(b"event: message_start\ndata: {"));
/// assert!(stream.ends_with(b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"));
/// # Ok::<(), dashpot_wire::modes::ExpandError>(())
/// ```
///
/// Events repeat what the answer says once: its id with each choice, a text up to five times. So many short choices under
/// a long id would be a stream as long as the square of the answer, and `max_bytes` is where that ends.
///
/// # Errors
/// When `answer` is not a complete answer of this dialect, or the dialect is not one of the three; or the stream would be
/// longer than `max_bytes`.
pub fn expand(
    dialect: Dialect,
    answer: &Value,
    include_usage: bool,
    max_bytes: usize,
) -> Result<Vec<u8>, ExpandError> {
    expand_in_pieces(dialect, answer, include_usage, max_bytes, usize::MAX)
}

/// The same with texts in pieces of up to `piece_bytes` each, or one character if that has more, cut behind white space
/// where there is any: for who wants it to look written. Each piece is an event, of a hundred bytes and more beside it.
///
/// # Errors
/// As [`expand`].
pub fn expand_in_pieces(
    dialect: Dialect,
    answer: &Value,
    include_usage: bool,
    max_bytes: usize,
    piece_bytes: usize,
) -> Result<Vec<u8>, ExpandError> {
    let answer = answer.as_object().ok_or(ExpandError("an answer is a JSON object"))?;
    let mut stream = Stream { out: Vec::new(), events: 0, max_bytes, piece_bytes };
    match dialect {
        Dialect::OpenAiChat => chat::expand(answer, include_usage, &mut stream)?,
        Dialect::OpenAiResponses => responses::expand(answer, &mut stream)?,
        Dialect::AnthropicMessages => anthropic::expand(answer, &mut stream)?,
        _ => return Err(ExpandError("this API's answers cannot be made into streams")),
    }
    if stream.is_full() { Err(ExpandError::TOO_LONG) } else { Ok(stream.out) }
}

/// Why an answer cannot be made into a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpandError(&'static str);

impl ExpandError {
    const TOO_LONG: Self = Self("the stream would be longer than is allowed");

    /// Whether the stream would be too long, and nothing else is wrong with the answer.
    #[must_use]
    pub fn is_too_long(self) -> bool {
        self == Self::TOO_LONG
    }
}

impl fmt::Display for ExpandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for ExpandError {}

#[derive(Debug)]
struct Stream {
    out: Vec<u8>,
    events: u64,
    max_bytes: usize,
    piece_bytes: usize,
}

impl Stream {
    /// Nothing more is written, and nothing more need be made to be written.
    fn is_full(&self) -> bool {
        self.out.len() > self.max_bytes
    }

    /// A text in as many events as it is to have.
    fn pieces<'t>(&self, text: &'t str) -> Pieces<'t> {
        Pieces::new(text, self.piece_bytes)
    }

    /// An event whose type is in its data only.
    fn data(&mut self, data: &Value) {
        self.write("", &data.to_string());
    }

    /// An event whose type is in its data and on a line of its own.
    fn typed(&mut self, kind: &str, mut data: Value) {
        data["type"] = kind.into();
        self.write(kind, &data.to_string());
    }

    /// The same, numbered.
    fn numbered(&mut self, kind: &str, mut data: Value) {
        data["sequence_number"] = self.events.into();
        self.typed(kind, data);
    }

    fn write(&mut self, event: &str, data: &str) {
        if self.is_full() {
            return;
        }
        self.events += 1;
        let written = Message { event, id: None, data }.write(&mut self.out);
        debug_assert_eq!(written, Ok(()), "the types are ours");
    }
}

/// A copy with an empty text for each text in `fields`, and those texts that have something to say.
fn emptied<'a>(whole: &'a Object, fields: &[&'a str]) -> (Object, Vec<(&'a str, &'a str)>) {
    let (mut rest, mut texts) = (Object::new(), Vec::new());
    for (key, value) in whole {
        match value {
            Value::String(_) if fields.contains(&key.as_str()) => rest.insert(key.clone(), "".into()),
            _ => rest.insert(key.clone(), value.clone()),
        };
    }
    for &field in fields {
        if let Some(Value::String(text)) = whole.get(field)
            && !text.is_empty()
        {
            texts.push((field, text.as_str()));
        }
    }
    (rest, texts)
}

/// The fields of `data` and `more`.
fn with(mut data: Value, more: &Value) -> Value {
    if let (Value::Object(data), Value::Object(more)) = (&mut data, more) {
        data.extend(more.clone());
    }
    data
}

/// The objects of a list; none if it is none.
fn objects(list: Option<&Value>) -> impl Iterator<Item = (usize, &Object)> {
    let list = list.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    list.iter().enumerate().filter_map(|(index, entry)| Some((index, entry.as_object()?)))
}

/// A field with a list that holds nothing but objects.
fn is_list_of_objects(value: Option<&Value>) -> bool {
    value.and_then(Value::as_array).is_some_and(|list| list.iter().all(Value::is_object))
}

/// Empties the list in `key`, if that is a list.
fn without_entries(mut object: Object, key: &str) -> Object {
    if let Some(list @ Value::Array(_)) = object.get_mut(key) {
        *list = json!([]);
    }
    object
}
