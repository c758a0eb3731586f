use memchr::memchr2;

/// The fields that the standard knows; anything else on a line is as good as a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Data,
    Event,
    Id,
    Retry,
}

/// What the lines of a stream say.
///
/// A field whose line lies in one chunk comes as `whole`; any other as `begin`, its value in `more` pieces, and `end`.
pub(super) trait Lines<'c> {
    type Error;

    fn whole(&mut self, field: Field, value: &'c [u8]) -> Result<(), Self::Error>;
    fn begin(&mut self, field: Field) -> Result<(), Self::Error>;
    fn more(&mut self, field: Field, piece: &'c [u8]) -> Result<(), Self::Error>;
    fn end(&mut self, field: Field);
    fn blank(&mut self);
}

/// Cuts a stream into lines, and lines into fields. Keeps nothing but its place in the current line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cutter {
    /// So many bytes of a byte order mark have come, and nothing else.
    Bom(u8),
    LineStart,
    /// At the start of a line, after a CR: an LF belongs to the line before.
    AfterCr,
    /// So many bytes of the field's name have come.
    Name(Field, u8),
    /// After the colon: one space is dropped.
    Colon(Field),
    Value(Field),
    /// In a comment or an unknown field.
    Skip,
}

const BOM: &[u8] = "\u{feff}".as_bytes();

/// From so many bytes of a line it is clear which field it is and where its value begins.
const ENOUGH: usize = "retry: ".len();

impl Default for Cutter {
    fn default() -> Self {
        Self::Bom(0)
    }
}

impl Cutter {
    /// At the start of a line, nothing of which has come.
    pub(super) fn is_line_start(self) -> bool {
        matches!(self, Self::Bom(0) | Self::LineStart | Self::AfterCr)
    }

    /// Reads one chunk. After an error the state means nothing.
    #[inline]
    pub(super) fn push<'c, L: Lines<'c>>(&mut self, chunk: &'c [u8], lines: &mut L) -> Result<(), L::Error> {
        let mut rest = self.skip_start(chunk);
        if rest.is_empty() {
            return Ok(());
        }
        // The line that an earlier chunk began.
        if *self != Self::LineStart {
            let end = line_end(rest);
            let part = &rest[..end.unwrap_or(rest.len())];
            match *self {
                Self::Value(field) if !part.is_empty() => lines.more(field, part)?,
                _ => self.part(part, lines)?,
            }
            let Some(end) = end else { return Ok(()) };
            self.finish(lines)?;
            rest = self.skip_end(rest, end);
        }
        // The lines that lie in this chunk.
        while let Some(end) = line_end(rest) {
            if end == 0 {
                lines.blank();
            } else if let Some((field, value)) = field(&rest[..end]) {
                lines.whole(field, value)?;
            }
            rest = self.skip_end(rest, end);
        }
        // The line that a later chunk will end.
        if rest.len() < ENOUGH {
            return self.part(rest, lines);
        }
        let Some((field, value)) = field(rest) else {
            *self = Self::Skip;
            return Ok(());
        };
        *self = Self::Value(field);
        lines.begin(field)?;
        if value.is_empty() { Ok(()) } else { lines.more(field, value) }
    }

    /// Drops what belongs to no line: the one byte order mark, the LF of a CRLF that was cut in two.
    #[inline]
    fn skip_start<'c>(&mut self, chunk: &'c [u8]) -> &'c [u8] {
        match *self {
            Self::Bom(have) => {
                let want = &BOM[usize::from(have)..];
                let same = want.iter().zip(chunk).take_while(|(want, got)| want == got).count();
                *self = match (have, same) {
                    _ if same == want.len() => Self::LineStart,
                    // `have + same` is below 3.
                    _ if same == chunk.len() => Self::Bom(have + same as u8),
                    (0, 0) => Self::LineStart,
                    // It was the start of a name that nobody knows.
                    _ => Self::Skip,
                };
                &chunk[same..]
            }
            Self::AfterCr if !chunk.is_empty() => {
                *self = Self::LineStart;
                chunk.strip_prefix(b"\n").unwrap_or(chunk)
            }
            _ => chunk,
        }
    }

    /// What follows the end of a line, which is at `end`.
    #[inline]
    fn skip_end<'c>(&mut self, rest: &'c [u8], end: usize) -> &'c [u8] {
        *self = Self::LineStart;
        let after = &rest[end + 1..];
        if rest[end] == b'\n' {
            return after;
        }
        if after.is_empty() {
            *self = Self::AfterCr;
        }
        after.strip_prefix(b"\n").unwrap_or(after)
    }

    /// A part of one line, without its end.
    fn part<'c, L: Lines<'c>>(&mut self, mut part: &'c [u8], lines: &mut L) -> Result<(), L::Error> {
        while let Some((&byte, rest)) = part.split_first() {
            *self = match *self {
                Self::Skip => return Ok(()),
                Self::Colon(field) if byte == b' ' => Self::Value(field),
                Self::Colon(field) | Self::Value(field) => {
                    *self = Self::Value(field);
                    return lines.more(field, part);
                }
                Self::Name(field, have) => match field.name().get(usize::from(have)) {
                    Some(&next) if next == byte => Self::Name(field, have + 1),
                    None if byte == b':' => {
                        lines.begin(field)?;
                        Self::Colon(field)
                    }
                    _ => Self::Skip,
                },
                Self::Bom(_) | Self::LineStart | Self::AfterCr => match byte {
                    b'd' => Self::Name(Field::Data, 1),
                    b'e' => Self::Name(Field::Event, 1),
                    b'i' => Self::Name(Field::Id, 1),
                    b'r' => Self::Name(Field::Retry, 1),
                    _ => Self::Skip,
                },
            };
            part = rest;
        }
        Ok(())
    }

    /// The end of a line that came in parts.
    fn finish<'c, L: Lines<'c>>(&mut self, lines: &mut L) -> Result<(), L::Error> {
        match *self {
            Self::Colon(field) | Self::Value(field) => lines.end(field),
            // A name without a colon has the empty value.
            Self::Name(field, have) if usize::from(have) == field.name().len() => {
                lines.whole(field, b"")?;
            }
            Self::Bom(_) | Self::LineStart | Self::AfterCr => lines.blank(),
            Self::Name(..) | Self::Skip => {}
        }
        Ok(())
    }
}

impl Field {
    fn name(self) -> &'static [u8] {
        match self {
            Self::Data => b"data",
            Self::Event => b"event",
            Self::Id => b"id",
            Self::Retry => b"retry",
        }
    }
}

#[inline]
fn line_end(bytes: &[u8]) -> Option<usize> {
    // Too little for the call to pay.
    if bytes.len() < 8 {
        return bytes.iter().position(|&byte| byte == b'\n' || byte == b'\r');
    }
    memchr2(b'\n', b'\r', bytes)
}

/// The field and the value of a whole line.
#[inline]
fn field(line: &[u8]) -> Option<(Field, &[u8])> {
    let (field, rest) = match line {
        [b'd', b'a', b't', b'a', rest @ ..] => (Field::Data, rest),
        [b'e', b'v', b'e', b'n', b't', rest @ ..] => (Field::Event, rest),
        [b'i', b'd', rest @ ..] => (Field::Id, rest),
        [b'r', b'e', b't', b'r', b'y', rest @ ..] => (Field::Retry, rest),
        _ => return None,
    };
    match rest {
        [b':', b' ', value @ ..] | [b':', value @ ..] | value @ [] => Some((field, value)),
        _ => None,
    }
}
