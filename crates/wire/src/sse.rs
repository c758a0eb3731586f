//! Server-sent events, as the WHATWG HTML standard defines the format: an observer, a parser and a writer.
//!
//! [`Framer`] watches a stream that somebody else forwards: it keeps nothing, so its memory does not depend on what
//! passes. [`Parser`] is for who reads the events themselves. Both are handed chunks as they come, cut anywhere, and
//! give the same answer however they are cut. [`Message`] and its neighbours write.

mod framer;
mod lines;
mod parser;
mod writer;

pub use framer::{Framer, Sink};
pub use parser::{Event, Limits, Parser, TooLong};
pub use writer::{Message, NotOneLine, write_comment, write_retry};
