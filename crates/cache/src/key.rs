mod headers;
mod json;
#[cfg(test)]
mod tests;

use std::{error::Error, fmt, str::FromStr};

use dashpot_core::Tenant;
use dashpot_wire::dialect::Dialect;
use http::request::Parts;
use sha2::{Digest, Sha256};

pub(crate) use self::headers::varies;
use self::{
    headers::{HEADERS, OF_THE_SENDER, hash_headers},
    json::{Json, hash_bytes},
};
use crate::{Entry, Place};

/// The fields of a request that say nothing about its answer. Any other joins the key, and so does one that nobody has
/// heard of.
const IGNORED: [&str; 4] = ["metadata", "stream", "stream_options", "user"];

/// What the provider remembers, and what changes there with each answer: the same request is another one the next time.
const REMEMBERED: [&str; 2] = ["container", "conversation"];

/// A SHA-256 over all that an answer depends on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key([u8; 32]);

impl Key {
    /// The bytes of the hash.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for Key {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// From hexadecimal digits, as `Cache-Status` has them.
impl FromStr for Key {
    type Err = NoKey;

    fn from_str(digits: &str) -> Result<Self, NoKey> {
        let digits = digits.as_bytes().as_chunks::<2>();
        let mut bytes = [0; 32];
        if digits.0.len() != bytes.len() || !digits.1.is_empty() {
            return Err(NoKey);
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(digits.0) {
            let digit = |digit: &u8| char::from(*digit).to_digit(16).ok_or(NoKey);
            *byte = (digit(high)? << 4 | digit(low)?) as u8;
        }
        Ok(Self(bytes))
    }
}

/// It is not the 64 hexadecimal digits of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoKey;

impl fmt::Display for NoKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key has 64 hexadecimal digits")
    }
}

impl Error for NoKey {}

/// In hexadecimal digits.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

/// What a request asks for, as far as a cache is concerned.
#[derive(Debug, PartialEq)]
pub(crate) struct Asked {
    /// Over everything.
    pub(crate) exact: Key,
    /// Over everything but the last user's text: two requests in one partition may have the same answer.
    pub(crate) partition: Key,
    /// Over everything, and what makes a call its sender's own.
    pub(crate) call: Key,
    /// That text, where a request ends with one. Only it may be similar instead of the same.
    pub(crate) text: Option<String>,
    pub(crate) mode: Mode,
    pub(crate) sampling: Sampling,
}

/// In which form an answer is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Mode {
    pub(crate) stream: bool,
    pub(crate) include_usage: bool,
}

impl Mode {
    /// Whether an entry can be given in this form.
    pub(crate) fn can_have(self, entry: &Entry) -> bool {
        // Those that are kept as streams cannot be made whole.
        self.suits(entry) && (self.stream || !entry.events)
    }

    /// Whether an entry says all that is to be told in this form.
    pub(crate) fn suits(self, entry: &Entry) -> bool {
        // A chat says how many tokens it took, whole or where a stream was asked to.
        let says_usage = entry.dialect == Dialect::OpenAiChat && (!self.stream || self.include_usage);
        entry.has_usage || !says_usage
    }
}

/// How much variety a request asks for.
#[derive(Debug, PartialEq)]
pub(crate) struct Sampling {
    pub(crate) temperature: Option<f64>,
    /// How many answers at once; the most of `n` and `best_of`.
    pub(crate) answers: f64,
}

impl Asked {
    /// Where its entry is.
    pub(crate) fn place(&self) -> Place {
        Place { partition: self.partition, key: self.exact }
    }

    /// Reads a request; `None` if it cannot be told from all others: it is no JSON object, has a field twice or a number
    /// that no double holds, or wants its answer made in the background or with what the provider remembers.
    pub(crate) fn read(
        tenant: &Tenant,
        head: &Parts,
        dialect: Dialect,
        body: &[u8],
        embedder: &str,
    ) -> Option<Self> {
        let mut root = Json::read(body).filter(|root| matches!(root, Json::Object(_)))?;
        let stream = match root.get("stream") {
            None | Some(Json::Null | Json::Bool(false)) => false,
            Some(Json::Bool(true)) => true,
            Some(_) => return None,
        };
        if !matches!(root.get("background"), None | Some(Json::Null | Json::Bool(false))) {
            return None;
        }
        let is_remembered = |name| !matches!(root.get(name), None | Some(Json::Null));
        if REMEMBERED.into_iter().any(is_remembered) {
            return None;
        }
        let options = root.get("stream_options").and_then(|options| options.get("include_usage"));
        let include_usage = options == Some(&Json::Bool(true));
        // What cannot be read, some servers can: "2" is 2 to them.
        let number = |name| match root.get(name) {
            None | Some(Json::Null) => None,
            Some(number) => Some(number.as_f64().unwrap_or(f64::INFINITY)),
        };
        let sampling = Sampling {
            temperature: number("temperature"),
            answers: number("n").unwrap_or(1.0).max(number("best_of").unwrap_or(1.0)),
        };
        for name in IGNORED {
            root.remove(name);
        }
        let text = take_last_text(dialect, &mut root);

        let mut hash = Sha256::new();
        // Names what is hashed and how: a change of either makes other keys.
        hash.update(b"dashpot-cache 1");
        hash_bytes(&mut hash, tenant.as_str().as_bytes());
        hash_bytes(&mut hash, head.method.as_str().as_bytes());
        hash_bytes(&mut hash, head.uri.to_string().as_bytes());
        hash_headers(&mut hash, head, &HEADERS);
        hash_bytes(&mut hash, dialect.name().as_bytes());
        hash_bytes(&mut hash, embedder.as_bytes());
        // Their streams cannot be made whole, nor be told or not told how many tokens they took, so they are kept apart.
        let is_apart = dialect == Dialect::OpenAiCompletions && stream;
        hash.update([u8::from(is_apart), u8::from(is_apart && include_usage)]);
        root.hash(&mut hash);

        let mut whole = hash.clone();
        // One byte apart, so that no partition is ever taken for a request.
        hash.update(b"p");
        whole.update(b"x");
        hash_bytes(&mut whole, text.as_deref().unwrap_or_default().as_bytes());
        let mut call = whole.clone();
        call.update(b"c");
        hash_headers(&mut call, head, &OF_THE_SENDER);
        let [partition, exact, call] = [hash, whole, call].map(|hash| Key(hash.finalize().into()));
        let mode = Mode { stream, include_usage };
        Some(Self { exact, partition, call, text, mode, sampling })
    }
}

/// Takes out the text that the user said last, if the request ends with it and it is one.
///
/// What comes with it stays: pictures, files, a name. Of a message with several texts none is taken: which of them is the
/// question, nobody can tell. Nor is a tool's result, or the beginning of an answer.
fn take_last_text(dialect: Dialect, root: &mut Json<'_>) -> Option<String> {
    let (turns, part) = match dialect {
        Dialect::OpenAiChat | Dialect::AnthropicMessages => (root.get_mut("messages")?, "text"),
        Dialect::OpenAiResponses => (root.get_mut("input")?, "input_text"),
        _ => return None,
    };
    let turn = match turns {
        Json::Text(_) => return take(turns),
        Json::List(turns) => turns.last_mut()?,
        _ => return None,
    };
    let is_message = matches!(turn.get("type"), None | Some(Json::Null))
        || turn.get("type").and_then(Json::as_str) == Some("message");
    if !is_message || turn.get("role").and_then(Json::as_str) != Some("user") {
        return None;
    }
    match turn.get_mut("content")? {
        content @ Json::Text(_) => take(content),
        Json::List(parts) => {
            let is_text = |of: &&mut Json<'_>| of.get("type").and_then(Json::as_str) == Some(part);
            let mut texts = parts.iter_mut().filter(is_text);
            let (text, other) = (texts.next()?, texts.next());
            if other.is_none() { take(text.get_mut("text")?) } else { None }
        }
        _ => None,
    }
}

fn take(text: &mut Json<'_>) -> Option<String> {
    match std::mem::replace(text, Json::Taken) {
        Json::Text(text) => Some(text.into_owned()),
        other => {
            *text = other;
            None
        }
    }
}
