//! Pulls a few scalars out of JSON while its bytes pass, in pieces of any size: O(1) memory, no allocation.
//!
//! Not a validator: what holds nothing of interest is only bracketed, and a trailing comma is let through. What it
//! reports of a valid document is what any parser finds there; what it reports of a broken one ends at the fault.

mod paths;

use std::mem;

use memchr::memchr2;

pub(crate) use self::paths::Paths;
use self::paths::{Cursor, SEPARATOR};

/// What was found at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scalar<'a> {
    Null,
    Bool(bool),
    /// As it was written; at most [`HEAD`] bytes.
    Number(&'a [u8]),
    /// The first [`HEAD`] bytes, unescaped; each half of an escaped surrogate pair is U+FFFD.
    Str(&'a [u8]),
    /// An object begins here.
    Object,
}

/// How much of a scalar is kept; enough for every word and number of the dialects.
pub(crate) const HEAD: usize = 48;

/// How many containers may be open around a scalar of interest; `choices[]/delta/tool_calls[]/function/x` needs seven.
const MAX_DEPTH: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Start,
    /// A value, or the end of an empty array.
    Value,
    /// A key, or the end of the object.
    BeforeKey,
    Key,
    AfterKey,
    String,
    Literal,
    AfterValue,
    /// In a container that holds nothing of interest.
    Skip,
    SkipString,
    /// Not JSON.
    Broken,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Escape {
    #[default]
    None,
    Backslash,
    /// So many digits of `\uXXXX` have come.
    Hex(u8),
}

/// Reads one document; [`reset`](Self::reset) before the next.
#[derive(Clone, Debug)]
pub(crate) struct Scanner {
    /// Containers of no interest that are open.
    skipped: u32,
    hex: u16,
    state: State,
    escape: Escape,
    /// Containers of interest that are open.
    depth: u8,
    /// Bit `d`: the container at depth `d` is an array.
    arrays: u8,
    /// Whether the scalar being read is of interest.
    keep: bool,
    len: u8,
    /// Where the value or key being read is.
    here: Cursor,
    /// Where what is in each open container is.
    open: [Cursor; MAX_DEPTH],
    head: [u8; HEAD],
}

impl Scanner {
    pub(crate) const fn new() -> Self {
        Self {
            skipped: 0,
            hex: 0,
            state: State::Start,
            escape: Escape::None,
            depth: 0,
            arrays: 0,
            keep: false,
            len: 0,
            here: Cursor::NOWHERE,
            open: [Cursor::NOWHERE; MAX_DEPTH],
            head: [0; HEAD],
        }
    }

    /// Forgets the document.
    pub(crate) fn reset(&mut self) {
        // The rest is written before it is read.
        (self.state, self.escape, self.depth) = (State::Start, Escape::None, 0);
    }

    /// Reads the next piece and reports each scalar of interest when its end has been seen.
    pub(crate) fn push<F: Copy>(
        &mut self,
        paths: &Paths<F>,
        mut bytes: &[u8],
        mut report: impl FnMut(F, Scalar<'_>),
    ) {
        while let Some((&byte, rest)) = bytes.split_first() {
            if self.escape != Escape::None {
                self.unescape(paths, byte);
                bytes = rest;
                continue;
            }
            match self.state {
                State::Key | State::String | State::SkipString => {
                    bytes = self.in_string(paths, bytes, &mut report);
                    continue;
                }
                State::Literal => {
                    bytes = self.in_literal(paths, bytes, &mut report);
                    continue;
                }
                State::Skip => {
                    bytes = self.skip(bytes);
                    continue;
                }
                State::Broken => return,
                _ if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') => {}
                State::Start => {
                    self.here = Cursor::ROOT;
                    self.value(paths, byte, &mut report);
                }
                State::Value if byte == b']' => self.close(true),
                State::Value => self.value(paths, byte, &mut report),
                State::BeforeKey => match byte {
                    b'"' => (self.state, self.here) = (State::Key, self.inside()),
                    b'}' => self.close(false),
                    _ => self.state = State::Broken,
                },
                State::AfterKey if byte == b':' => self.state = State::Value,
                State::AfterKey => self.state = State::Broken,
                State::AfterValue => match byte {
                    b',' if self.depth > 0 && self.is_in_array() => {
                        (self.state, self.here) = (State::Value, self.inside());
                    }
                    b',' if self.depth > 0 => self.state = State::BeforeKey,
                    b'}' | b']' => self.close(byte == b']'),
                    _ => self.state = State::Broken,
                },
            }
            // A literal begins with the byte that told us so.
            if self.state != State::Literal {
                bytes = rest;
            }
        }
    }

    fn value<F: Copy>(&mut self, paths: &Paths<F>, byte: u8, report: &mut impl FnMut(F, Scalar<'_>)) {
        let field = self.here.field(paths);
        (self.keep, self.len) = (field.is_some(), 0);
        match byte {
            b'"' => self.state = State::String,
            b'{' => {
                if let Some(field) = field {
                    report(field, Scalar::Object);
                }
                if self.here != Cursor::ROOT {
                    self.here.step(paths, SEPARATOR);
                }
                self.enter(false);
            }
            b'[' => self.enter(true),
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => self.state = State::Literal,
            _ => self.state = State::Broken,
        }
    }

    fn enter(&mut self, array: bool) {
        let depth = usize::from(self.depth);
        if self.here == Cursor::NOWHERE || depth == MAX_DEPTH {
            (self.state, self.skipped, self.keep) = (State::Skip, 1, false);
            return;
        }
        self.open[depth] = self.here;
        self.arrays = self.arrays & !(1 << depth) | u8::from(array) << depth;
        self.depth += 1;
        self.state = if array { State::Value } else { State::BeforeKey };
    }

    fn close(&mut self, array: bool) {
        if self.depth == 0 || self.is_in_array() != array {
            self.state = State::Broken;
            return;
        }
        self.depth -= 1;
        self.state = State::AfterValue;
    }

    fn is_in_array(&self) -> bool {
        self.arrays >> (self.depth - 1) & 1 == 1
    }

    fn inside(&self) -> Cursor {
        self.open[usize::from(self.depth - 1)]
    }

    fn skip<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        for (i, byte) in bytes.iter().enumerate() {
            match byte {
                b'"' => self.state = State::SkipString,
                b'{' | b'[' => self.skipped = self.skipped.saturating_add(1),
                b'}' | b']' => {
                    self.skipped -= 1;
                    if self.skipped == 0 {
                        self.state = State::AfterValue;
                    }
                }
                _ => {}
            }
            if self.state != State::Skip {
                return &bytes[i + 1..];
            }
        }
        &[]
    }

    fn in_string<'b, F: Copy>(
        &mut self,
        paths: &Paths<F>,
        bytes: &'b [u8],
        report: &mut impl FnMut(F, Scalar<'_>),
    ) -> &'b [u8] {
        let Some(end) = memchr2(b'"', b'\\', bytes) else {
            self.take(paths, bytes);
            return &[];
        };
        self.take(paths, &bytes[..end]);
        if bytes[end] == b'\\' {
            self.escape = Escape::Backslash;
        } else {
            self.state = match self.state {
                State::Key => {
                    // An empty key adds nothing to the path, and must not pass for the document itself.
                    if self.here == Cursor::ROOT {
                        self.here = Cursor::NOWHERE;
                    }
                    State::AfterKey
                }
                State::SkipString => State::Skip,
                _ => {
                    if let (true, Some(field)) = (self.keep, self.here.field(paths)) {
                        report(field, Scalar::Str(&self.head[..usize::from(self.len)]));
                    }
                    State::AfterValue
                }
            };
        }
        &bytes[end + 1..]
    }

    fn unescape<F>(&mut self, paths: &Paths<F>, byte: u8) {
        let Escape::Hex(digits) = mem::take(&mut self.escape) else {
            let plain = match byte {
                b'"' | b'\\' | b'/' => byte,
                b'b' => 8,
                b'f' => 12,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'u' => {
                    (self.escape, self.hex) = (Escape::Hex(0), 0);
                    return;
                }
                _ => {
                    self.state = State::Broken;
                    return;
                }
            };
            self.take(paths, &[plain]);
            return;
        };
        let Some(digit) = char::from(byte).to_digit(16) else {
            self.state = State::Broken;
            return;
        };
        self.hex = self.hex << 4 | digit as u16;
        if digits < 3 {
            self.escape = Escape::Hex(digits + 1);
            return;
        }
        let char = char::from_u32(self.hex.into()).unwrap_or(char::REPLACEMENT_CHARACTER);
        self.take(paths, char.encode_utf8(&mut [0; 4]).as_bytes());
    }

    fn in_literal<'b, F: Copy>(
        &mut self,
        paths: &Paths<F>,
        bytes: &'b [u8],
        report: &mut impl FnMut(F, Scalar<'_>),
    ) -> &'b [u8] {
        let is_part = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
        let end = bytes.iter().position(|b| !is_part(b)).unwrap_or(bytes.len());
        self.take(paths, &bytes[..end]);
        if end < bytes.len() {
            self.state = State::AfterValue;
            if let (true, Some(field)) = (self.keep, self.here.field(paths)) {
                match &self.head[..usize::from(self.len)] {
                    b"null" => report(field, Scalar::Null),
                    b"true" => report(field, Scalar::Bool(true)),
                    b"false" => report(field, Scalar::Bool(false)),
                    number @ [b'-' | b'0'..=b'9', ..] => report(field, Scalar::Number(number)),
                    _ => self.state = State::Broken,
                }
            }
        }
        &bytes[end..]
    }

    /// Takes the next bytes of a key or of a scalar.
    fn take<F>(&mut self, paths: &Paths<F>, bytes: &[u8]) {
        if self.state == State::Key {
            for &byte in bytes {
                if self.here == Cursor::NOWHERE {
                    break;
                }
                // A key that holds a separator is not a path.
                if byte == SEPARATOR { self.here = Cursor::NOWHERE } else { self.here.step(paths, byte) }
            }
        } else if self.keep {
            let room = &mut self.head[usize::from(self.len)..];
            let n = bytes.len().min(room.len());
            room[..n].copy_from_slice(&bytes[..n]);
            self.len += n as u8;
        }
    }
}

#[cfg(test)]
mod tests;
