use std::{convert::Infallible, fmt};

use super::lines::{Cutter, Field, Lines};

/// Told what a [`Framer`] sees, in pieces that borrow from the chunk.
pub trait Sink {
    /// The next piece of the event's data. Several `data` lines are joined by a piece `b"\n"`.
    fn data(&mut self, piece: &[u8]);

    /// The event is complete, its data may be empty.
    ///
    /// `event_type` is `b""` if there is none ("message", to a browser), and cut to [`Framer::MAX_EVENT_TYPE`] bytes.
    fn dispatch(&mut self, event_type: &[u8]);

    /// A blank line came that completes no event. No piece of data was given since the last event.
    fn discard(&mut self) {}

    /// An `id` field came; what it says is skipped.
    fn id(&mut self) {}
}

/// Watches a stream that somebody else forwards.
///
/// O(1) memory whatever the length of a line, no allocation, one pass over the bytes. Bytes are not decoded: data that
/// is not UTF-8 comes as it is. `id` and `retry` are skipped. Nothing can go wrong, so nothing is returned.
#[derive(Clone)]
pub struct Framer {
    at: Cutter,
    /// The block has a `data` line, so its end is an event.
    has_data: bool,
    /// The block has a field. One of `retry` has its effect at once, but some readers take the blank line behind it for an
    /// event without data.
    in_block: bool,
    event_len: u8,
    event: [u8; Self::MAX_EVENT_TYPE],
}

impl Framer {
    /// How many bytes of an event type are kept.
    pub const MAX_EVENT_TYPE: usize = 48;

    /// A framer at the start of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self {
            at: Cutter::default(),
            has_data: false,
            in_block: false,
            event_len: 0,
            event: [0; Self::MAX_EVENT_TYPE],
        }
    }

    /// Reads one chunk, cut anywhere; an empty one changes nothing.
    #[inline]
    pub fn push<S: Sink + ?Sized>(&mut self, chunk: &[u8], sink: &mut S) {
        let mut at = self.at;
        let Ok(()) = at.push(chunk, &mut Watch { framer: self, sink });
        self.at = at;
    }

    /// Whether whole blocks may be put in here, or the stream may end, without a client that sees another event for it.
    ///
    /// True at the start, and after a blank line until the next field begins; comments do not count.
    /// A blank line that ends in CR counts, though its LF may still come: cut off from its CR, that LF is one more
    /// blank line, which dispatches nothing.
    ///
    /// At the start there is one reservation. A byte order mark counts only as the very first thing, so whoever writes
    /// before the first byte must drop a mark that the first chunk begins with.
    #[must_use]
    pub fn at_boundary(&self) -> bool {
        self.at.is_line_start() && !self.in_block
    }

    fn event_type(&self) -> &[u8] {
        &self.event[..usize::from(self.event_len)]
    }
}

impl Default for Framer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Framer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Framer")
            .field("at", &self.at)
            .field("has_data", &self.has_data)
            .field("event_type", &self.event_type().escape_ascii().to_string())
            .finish_non_exhaustive()
    }
}

struct Watch<'w, S: ?Sized> {
    framer: &'w mut Framer,
    sink: &'w mut S,
}

impl<'c, S: Sink + ?Sized> Lines<'c> for Watch<'_, S> {
    type Error = Infallible;

    #[inline]
    fn whole(&mut self, field: Field, value: &'c [u8]) -> Result<(), Infallible> {
        self.begin(field)?;
        if value.is_empty() { Ok(()) } else { self.more(field, value) }
    }

    #[inline]
    fn begin(&mut self, field: Field) -> Result<(), Infallible> {
        match field {
            Field::Data => {
                if self.framer.has_data {
                    self.sink.data(b"\n");
                }
                self.framer.has_data = true;
            }
            Field::Event => self.framer.event_len = 0,
            Field::Id => self.sink.id(),
            Field::Retry => {}
        }
        self.framer.in_block = true;
        Ok(())
    }

    #[inline]
    fn more(&mut self, field: Field, piece: &'c [u8]) -> Result<(), Infallible> {
        match field {
            Field::Data => self.sink.data(piece),
            Field::Event => {
                let framer = &mut *self.framer;
                let free = &mut framer.event[usize::from(framer.event_len)..];
                let kept = piece.len().min(free.len());
                free[..kept].copy_from_slice(&piece[..kept]);
                // At most 48.
                framer.event_len += kept as u8;
            }
            Field::Id | Field::Retry => {}
        }
        Ok(())
    }

    #[inline]
    fn end(&mut self, _: Field) {}

    #[inline]
    fn blank(&mut self) {
        if self.framer.has_data {
            self.sink.dispatch(self.framer.event_type());
        } else {
            self.sink.discard();
        }
        self.framer.has_data = false;
        self.framer.in_block = false;
        self.framer.event_len = 0;
    }
}
