use std::{error, fmt, time::Duration};

/// One event to be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Message<'a> {
    /// The type; none if empty, which readers take for `message`.
    pub event: &'a str,
    /// The id; `Some("")` takes back the last one.
    pub id: Option<&'a str>,
    /// The data. A reader gets each of CR, LF and CRLF as LF.
    pub data: &'a str,
}

impl Message<'_> {
    /// Appends the event to `out`.
    ///
    /// # Errors
    /// When the type or the id holds CR or LF, which no line can carry, or the id NUL, for which readers ignore it;
    /// nothing is appended then.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), NotOneLine> {
        if has_line_break(self.event) || self.id.is_some_and(|id| has_line_break(id) || id.contains('\0')) {
            return Err(NotOneLine);
        }
        if !self.event.is_empty() {
            line(out, "event: ", self.event);
        }
        if let Some(id) = self.id {
            line(out, "id: ", id);
        }
        for data in lines(self.data) {
            line(out, "data: ", data);
        }
        out.push(b'\n');
        Ok(())
    }
}

/// An event type or an id holds CR or LF, or an id NUL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotOneLine;

impl fmt::Display for NotOneLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event type or id holds CR or LF, or an id NUL")
    }
}

impl error::Error for NotOneLine {}

/// Appends a comment and a blank line, which readers skip: a sign of life. Belongs between events only.
pub fn write_comment(out: &mut Vec<u8>, text: &str) {
    for text in lines(text) {
        line(out, ": ", text);
    }
    out.push(b'\n');
}

/// Appends the time, in whole milliseconds, that a client is to wait before it reconnects. Belongs between events only.
pub fn write_retry(out: &mut Vec<u8>, wait: Duration) {
    line(out, "retry: ", &wait.as_millis().to_string());
    out.push(b'\n');
}

fn line(out: &mut Vec<u8>, name: &str, value: &str) {
    // The space after the colon is dropped by readers, so that a value may begin with one.
    for part in [name, value, "\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}

fn has_line_break(text: &str) -> bool {
    text.contains(['\r', '\n'])
}

/// The lines of `text`, at least one. A line end at the very end is followed by an empty line.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = text.find(['\r', '\n']) else { return rest.take() };
        let after = if text[end..].starts_with("\r\n") { end + 2 } else { end + 1 };
        rest = Some(&text[after..]);
        Some(&text[..end])
    })
}
