use bytes::{BufMut, Bytes, BytesMut};
use serde_json::Value;

/// The bytes of a whole answer, and where and when its parts go out.
#[derive(Debug, Default)]
pub(super) struct Script {
    pub(super) bytes: Bytes,
    pub(super) parts: Vec<Part>,
    /// One JSON document and not a stream.
    pub(super) whole: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// Where it ends.
    pub(super) end: usize,
    /// Tokens whose time passes before it goes out.
    pub(super) tokens: usize,
}

impl Script {
    /// A JSON document that goes out at once.
    pub(super) fn json(value: &Value) -> Self {
        let bytes = Bytes::from(value.to_string());
        let parts = vec![Part { end: bytes.len(), tokens: 0 }];
        Self { bytes, parts, whole: true }
    }

    /// The same bytes in two halves, for a fault to come between them.
    pub(super) fn halved(mut self) -> Self {
        let end = self.bytes.len();
        self.parts = [end / 2, end].map(|end| Part { end, tokens: 0 }).into();
        self
    }

    pub(super) fn part(&self, index: usize) -> Option<(Bytes, usize)> {
        let start = if index == 0 { 0 } else { self.parts.get(index - 1)?.end };
        let part = self.parts.get(index)?;
        Some((self.bytes.slice(start..part.end), part.tokens))
    }
}

/// Writes a stream, event by event.
#[derive(Debug, Default)]
pub(super) struct Events {
    bytes: BytesMut,
    parts: Vec<Part>,
}

impl Events {
    /// An event of this data, after the time of so many tokens.
    pub(super) fn data(&mut self, data: &Value, tokens: usize) {
        self.block("", &data.to_string(), tokens);
    }

    /// An event whose type is the `type` of its data.
    pub(super) fn typed(&mut self, data: &Value, tokens: usize) {
        self.block(data["type"].as_str().unwrap_or_default(), &data.to_string(), tokens);
    }

    /// OpenAI's terminal marker.
    pub(super) fn done(mut self) -> Script {
        self.block("", "[DONE]", 0);
        self.finish()
    }

    pub(super) fn finish(self) -> Script {
        Script { bytes: self.bytes.freeze(), parts: self.parts, whole: false }
    }

    /// `text` is JSON on one line, or a marker.
    fn block(&mut self, event: &str, text: &str, tokens: usize) {
        if !event.is_empty() {
            self.bytes.put(&b"event: "[..]);
            self.bytes.put(event.as_bytes());
            self.bytes.put_u8(b'\n');
        }
        self.bytes.put(&b"data: "[..]);
        self.bytes.put(text.as_bytes());
        self.bytes.put(&b"\n\n"[..]);
        self.parts.push(Part { end: self.bytes.len(), tokens });
    }
}
