use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer as _,
    de::{MapAccess, Visitor},
};
use serde_json::{Value, json, value::RawValue};

use super::Object;
use crate::dialect::Dialect;

/// What the body of a request says of the mode of its answer; and the same request for the other mode.
///
/// ```
/// use dashpot_wire::{dialect::Dialect, modes::RequestMode};
///
/// let body = br#"{"model": "m", "messages": [], "seed": 18446744073709551616}"#;
/// let mode = RequestMode::read(Dialect::OpenAiChat, body).expect("it can be answered in both");
/// assert_eq!(mode.stream, None);
///
/// let mode = RequestMode { stream: Some(true), include_usage: true };
/// let asked = mode.write(Dialect::OpenAiChat, body).expect("it can");
/// let expected = r#"{"model":"m","messages":[],"seed":18446744073709551616,"stream":true,"stream_options":{"include_usage":true}}"#;
/// assert_eq!(asked, expected.as_bytes());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestMode {
    /// Whether the answer is to be a stream; `None` where the body does not say, which to the APIs is `false`.
    pub stream: Option<bool>,
    /// Whether a stream is to tell the tokens that were used, in chat completions; the others always do.
    pub include_usage: bool,
}

impl RequestMode {
    /// Reads it, in one pass over the body, without a copy of anything but the options of the stream.
    ///
    /// `None` if the request can be answered in one mode only: the dialect is not one of the three; chat is to answer
    /// with sound, which in a stream has other formats; a response is to be made in the background. Or if it cannot be
    /// read: it is no JSON object, or has one of these fields twice or in a wrong shape, which the upstream will say.
    #[must_use]
    pub fn read(dialect: Dialect, body: &[u8]) -> Option<Self> {
        let Fields { stream, options, .. } = fields(dialect, body, |_, _| ())?;
        let include_usage = options.is_some_and(|options| options.get("include_usage") == Some(&true.into()));
        Some(Self { stream, include_usage })
    }

    /// The same request, to be answered in this mode; every value that is not about that byte for byte.
    ///
    /// What a request for a whole answer must not have, `stream_options`, is taken out. In those of a stream usage is
    /// asked for if it is to be, and nothing else changes. `None` as for [`read`](Self::read).
    #[must_use]
    pub fn write(self, dialect: Dialect, body: &[u8]) -> Option<Vec<u8>> {
        let stream = self.stream.unwrap_or(false);
        let mut out = Vec::with_capacity(body.len() + 64);
        let mut put = |key: &str, value: &str| {
            out.push(if out.is_empty() { b'{' } else { b',' });
            // Serializing a string into memory cannot fail.
            let _ = serde_json::to_writer(&mut out, key);
            out.push(b':');
            out.extend_from_slice(value.as_bytes());
        };
        let fields = fields(dialect, body, &mut put)?;
        put("stream", if stream { "true" } else { "false" });
        let mut options = fields.options.filter(|_| stream);
        if stream && self.include_usage && dialect == Dialect::OpenAiChat {
            options.get_or_insert_default().insert("include_usage".into(), true.into());
        }
        if let Some(options) = options {
            put("stream_options", &json!(options).to_string());
        }
        out.push(b'}');
        Some(out)
    }
}

/// The fields that have to do with the mode.
#[derive(Default)]
struct Fields {
    stream: Option<bool>,
    options: Option<Object>,
    one_mode_only: bool,
}

/// Reads the fields of a body, and tells the others with their bytes.
fn fields(dialect: Dialect, body: &[u8], other: impl FnMut(&str, &str)) -> Option<Fields> {
    if !matches!(dialect, Dialect::OpenAiChat | Dialect::OpenAiResponses | Dialect::AnthropicMessages) {
        return None;
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let fields = deserializer.deserialize_map(Root { dialect, other }).ok()?;
    deserializer.end().ok()?;
    Some(fields).filter(|fields| !fields.one_mode_only)
}

struct Root<F> {
    dialect: Dialect,
    other: F,
}

impl<'de, F: FnMut(&str, &str)> Visitor<'de> for Root<F> {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut object: A) -> Result<Fields, A::Error> {
        use serde::de::Error as _;

        let (mut fields, mut streams, mut options) = (Fields::default(), 0, 0);
        let is_openai = self.dialect != Dialect::AnthropicMessages;
        while let Some(Key(key)) = object.next_key()? {
            match &*key {
                "stream" => {
                    streams += 1;
                    fields.stream = object.next_value()?;
                }
                "stream_options" if is_openai => {
                    options += 1;
                    fields.options = object.next_value()?;
                }
                _ => {
                    let value: &RawValue = object.next_value()?;
                    fields.one_mode_only |= is_one_mode_only(self.dialect, &key, value.get());
                    (self.other)(&key, value.get());
                }
            }
        }
        // Of two equal keys, parsers take the first or the last.
        if streams.max(options) > 1 {
            return Err(A::Error::custom("a key is there twice"));
        }
        Ok(fields)
    }
}

/// Whether a field says that only the mode that was asked for will do.
fn is_one_mode_only(dialect: Dialect, key: &str, value: &str) -> bool {
    match (dialect, key) {
        (Dialect::OpenAiChat, "audio") => value != "null",
        (Dialect::OpenAiChat, "modalities") => {
            let parts: Option<Vec<Value>> = serde_json::from_str(value).ok();
            parts.is_some_and(|parts| parts.iter().any(|part| part == "audio"))
        }
        (Dialect::OpenAiResponses, "background") => !matches!(value, "false" | "null"),
        _ => false,
    }
}

/// A key, without a copy if it has no escapes.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);
