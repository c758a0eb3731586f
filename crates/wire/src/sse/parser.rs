use std::{borrow::Cow, error, fmt, mem, time::Duration};

use super::lines::{Cutter, Field, Lines};

/// One event, as a browser's `EventSource` would give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Event<'a> {
    /// The type; `message` if the stream names none.
    pub event: &'a str,
    /// The data, its lines joined by LF. What is not UTF-8 was replaced by U+FFFD.
    pub data: &'a str,
    /// The last id that the stream gave, in this event or before it; empty if none.
    pub last_event_id: &'a str,
}

/// What a [`Parser`] may keep, in bytes as they come: the data of one event, and four single values (its type, its id,
/// the last id, and the value that is being read).
///
/// What is not UTF-8 takes up to three times as much once it is decoded: the two ids, and, during the call for an event,
/// a copy of its data and type. A buffer that grows lives beside its successor for a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest value of one field; 1 MiB by default. Comments and unknown fields are not kept and may have any length.
    pub max_line: usize,
    /// The longest data of one event, all its lines together; 4 MiB by default.
    pub max_event: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_line: 1 << 20, max_event: 4 << 20 }
    }
}

/// A stream is not for this parser: something is longer than its [`Limits`]. Holds the limit, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TooLong {
    /// The value of a field.
    Line(usize),
    /// The data of an event.
    Event(usize),
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(limit) => write!(f, "a line of the event stream is longer than {limit} bytes"),
            Self::Event(limit) => write!(f, "the data of an event is longer than {limit} bytes"),
        }
    }
}

impl error::Error for TooLong {}

/// Reads the events of one stream.
///
/// An event that lies in one chunk and has one line of data borrows from the chunk; only what is cut is copied, once,
/// into buffers that are used again. The end of a stream needs no call: a block without its blank line is no event,
/// and its id does not count, so dropping the parser is all.
#[derive(Clone, Debug, Default)]
pub struct Parser {
    at: Cutter,
    failed: Option<TooLong>,
    limits: Limits,
    kept: Kept,
}

/// What outlives a chunk.
#[derive(Clone, Debug, Default)]
struct Kept {
    /// The block has a `data` line.
    has_data: bool,
    data: Vec<u8>,
    event: Vec<u8>,
    /// The id that the block gives, if any; it counts from the blank line on.
    has_id: bool,
    id: String,
    last_event_id: String,
    retry: Option<Duration>,
    /// The length of the value that comes in parts.
    len: usize,
    /// That value itself, unless it is data.
    part: Vec<u8>,
}

impl Parser {
    /// A parser at the start of a stream.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Reads one chunk, cut anywhere, and calls `on_event` for each event that it completes.
    ///
    /// # Errors
    /// When something exceeds the limits: the events before it have been given, and every later call fails alike.
    #[inline]
    pub fn push(&mut self, chunk: &[u8], on_event: impl FnMut(Event<'_>)) -> Result<(), TooLong> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        let mut read = Read { kept: &mut self.kept, limits: self.limits, data: None, event: None, on_event };
        let result = self.at.push(chunk, &mut read).map(|()| read.keep());
        self.failed = result.err();
        result
    }

    /// The last id that counts: what a client sends as `Last-Event-ID` when it reconnects; empty if none.
    #[must_use]
    pub fn last_event_id(&self) -> &str {
        &self.kept.last_event_id
    }

    /// How long the stream asks a client to wait before it reconnects.
    #[must_use]
    pub fn retry(&self) -> Option<Duration> {
        self.kept.retry
    }
}

/// One chunk being read.
struct Read<'p, 'c, F> {
    kept: &'p mut Kept,
    limits: Limits,
    /// All data of the block, while it is one line of this chunk.
    data: Option<&'c [u8]>,
    /// The block's event type, if this chunk holds it.
    event: Option<&'c [u8]>,
    on_event: F,
}

impl<'c, F: FnMut(Event<'_>)> Lines<'c> for Read<'_, 'c, F> {
    type Error = TooLong;

    #[inline]
    fn whole(&mut self, field: Field, value: &'c [u8]) -> Result<(), TooLong> {
        if field == Field::Data && self.kept.has_data {
            self.begin(field)?;
            return self.more(field, value);
        }
        self.check(field, 0, value.len())?;
        match field {
            Field::Data => {
                self.kept.has_data = true;
                self.data = Some(value);
            }
            Field::Event => self.event = Some(value),
            Field::Id => self.kept.set_id(value),
            Field::Retry => self.kept.set_retry(value),
        }
        Ok(())
    }

    fn begin(&mut self, field: Field) -> Result<(), TooLong> {
        self.kept.len = 0;
        self.kept.part.clear();
        if field == Field::Data && mem::replace(&mut self.kept.has_data, true) {
            if let Some(data) = self.data.take() {
                self.append(field, data);
            }
            if self.kept.data.len() == self.limits.max_event {
                return Err(TooLong::Event(self.limits.max_event));
            }
            self.append(field, b"\n");
        }
        Ok(())
    }

    #[inline]
    fn more(&mut self, field: Field, piece: &'c [u8]) -> Result<(), TooLong> {
        self.check(field, self.kept.len, piece.len())?;
        self.kept.len += piece.len();
        self.append(field, piece);
        Ok(())
    }

    fn end(&mut self, field: Field) {
        let kept = &mut *self.kept;
        let part = mem::take(&mut kept.part);
        match field {
            Field::Data => {}
            Field::Event => {
                self.event = None;
                kept.part = mem::replace(&mut kept.event, part);
                return;
            }
            Field::Id => kept.set_id(&part),
            Field::Retry => kept.set_retry(&part),
        }
        kept.part = part;
    }

    #[inline]
    fn blank(&mut self) {
        let kept = &mut *self.kept;
        if mem::take(&mut kept.has_id) {
            mem::swap(&mut kept.id, &mut kept.last_event_id);
        }
        let event = self.event.take();
        if mem::take(&mut kept.has_data) {
            // Taken, so that nothing of this event is in the next one if the call panics and the caller goes on.
            let (data_kept, event_kept) = (mem::take(&mut kept.data), mem::take(&mut kept.event));
            let data = decode(self.data.take().unwrap_or(&data_kept));
            let event = match event.unwrap_or(&event_kept) {
                b"" => Cow::Borrowed("message"),
                event => decode(event),
            };
            (self.on_event)(Event { event: &event, data: &data, last_event_id: &kept.last_event_id });
            drop((data, event));
            (kept.data, kept.event) = (data_kept, event_kept);
        }
        kept.data.clear();
        kept.event.clear();
    }
}

impl<F> Read<'_, '_, F> {
    /// Whether a value of `have` bytes may have `more`. Where two limits are exceeded, the one that the bytes come to
    /// first: how the stream was cut must not show.
    #[inline]
    fn check(&self, field: Field, have: usize, more: usize) -> Result<(), TooLong> {
        let Limits { max_line, max_event } = self.limits;
        let line = max_line - have;
        let event = if field == Field::Data { max_event - self.kept.data.len() } else { usize::MAX };
        if more <= line.min(event) {
            Ok(())
        } else if line <= event {
            Err(TooLong::Line(max_line))
        } else {
            Err(TooLong::Event(max_event))
        }
    }

    #[inline]
    fn append(&mut self, field: Field, piece: &[u8]) {
        match field {
            Field::Data => append(&mut self.kept.data, piece, self.limits.max_event),
            Field::Event | Field::Id | Field::Retry => {
                append(&mut self.kept.part, piece, self.limits.max_line);
            }
        }
    }

    /// The chunk ends: keeps what the block borrows from it.
    fn keep(&mut self) {
        if let Some(data) = self.data.take() {
            self.append(Field::Data, data);
        }
        if let Some(event) = self.event.take() {
            self.kept.event.clear();
            append(&mut self.kept.event, event, self.limits.max_line);
        }
    }
}

impl Kept {
    fn set_id(&mut self, value: &[u8]) {
        if memchr::memchr(0, value).is_none() {
            self.has_id = true;
            self.id.clear();
            self.id.push_str(&decode(value));
        }
    }

    /// Digits only; what no `u64` holds is as good as no digits.
    fn set_retry(&mut self, value: &[u8]) {
        // Rust's own parser also takes a sign.
        if value.iter().all(u8::is_ascii_digit) {
            let millis = str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
            self.retry = millis.map(Duration::from_millis).or(self.retry);
        }
    }
}

/// Grows as a vector does, but never beyond `limit`, within which the caller keeps.
#[inline]
fn append(buffer: &mut Vec<u8>, piece: &[u8], limit: usize) {
    if piece.len() > buffer.capacity() - buffer.len() {
        grow(buffer, buffer.len() + piece.len(), limit);
    }
    buffer.extend_from_slice(piece);
}

#[cold]
fn grow(buffer: &mut Vec<u8>, need: usize, limit: usize) {
    let grown = need.max(2 * buffer.capacity()).max(64).min(limit);
    buffer.reserve_exact(grown - buffer.len());
}

fn decode(bytes: &[u8]) -> Cow<'_, str> {
    // Much faster than `from_utf8_lossy` on what is right.
    str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}
