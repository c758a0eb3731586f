//! Both modes of an answer: [`Collect`] makes a whole answer of a stream, [`expand`] a stream of a whole answer, and
//! [`RequestMode`] asks for the one or the other.
//!
//! For OpenAI chat completions, OpenAI responses and Anthropic messages. What is collected is what the APIs answer when
//! no stream is asked for, as the official Python libraries (openai 3.57, anthropic 2.13) put it together from the same
//! bytes; a test runs both. Where those lose something, or make a mess of what other servers send, this keeps it:
//!
//! | | the libraries | here |
//! |---|---|---|
//! | chat: `role`, `id`, `format`, stated again with each piece | joined: `assistantassistant` | stated once |
//! | chat: fields of later chunks and choices that they do not know | dropped | lists grow, the rest is replaced |
//! | chat: a last chunk without usage or fingerprint | takes them back | they stay |
//! | chat: objects in a list that have no `index` | raise | appended |
//! | chat: `index` of a tool call | stays in the answer | taken out, as the API's own answers have none |
//! | chat: events of Azure's filter, which are no chunks | skipped | their finish reason and results count |
//! | responses: an empty `output` at the end, although items were done | empty | those items |
//! | responses: `response.incomplete` | no answer | the answer |
//! | responses: an item that was never done, an event before its item | raise | not looked at |
//! | messages: events without a line `event` | skipped | read, by the type in their data |
//! | messages: unknown fields of `message_delta` and its usage | dropped | kept |
//!
//! Both keep every number that 64 bits or a double hold, exactly. JSON that holds half of a surrogate pair is not read.
//!
//! Sources: the chunk, event and delta types in those libraries (`types/chat/chat_completion_chunk.py`,
//! `types/responses/*_event.py`, `types/raw_message_stream_event.py`), their accumulators (`lib/streaming/`); for the
//! order of events "Streaming messages" in Claude's documentation, and `stream_options` in OpenAI's API reference.

mod budget;
mod collect;
mod expand;
mod partial;
mod request;

pub use collect::{Collect, CollectError};
pub use expand::{ExpandError, expand, expand_in_pieces};
pub use request::RequestMode;
use serde_json::{Map, Value};

type Object = Map<String, Value>;
