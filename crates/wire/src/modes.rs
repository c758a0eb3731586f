//! Both modes of an answer: [`Collect`] makes a whole answer of a stream, [`expand`] a stream of a whole answer.
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
//! | chat: `index` of a tool call | stays in the answer | taken out, as the API's own answers have none |
//! | chat: events of Azure's filter, which are no chunks | skipped | their finish reason and results count |
//! | responses: an empty `output` at the end, although items were done | empty | those items |
//! | responses: `response.incomplete` | no answer | the answer |
//! | messages: unknown fields of `message_delta` and its usage | dropped | kept |
//!
//! Sources: the chunk, event and delta types in those libraries (`types/chat/chat_completion_chunk.py`,
//! `types/responses/*_event.py`, `types/raw_message_stream_event.py`), their accumulators (`lib/streaming/`), and the
//! providers' references of streaming events.

mod budget;
mod collect;
mod expand;
mod partial;

pub use collect::{Collect, CollectError};
pub use expand::{ExpandError, expand};
use serde_json::{Map, Value};

type Object = Map<String, Value>;
