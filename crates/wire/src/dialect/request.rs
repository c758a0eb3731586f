mod body;
mod content;
mod shape;
mod surrogate;
mod text;
mod tools;

use std::{borrow::Cow, error::Error, fmt};

use super::{Dialect, path};

/// What a request asks for, from its body and its path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestFacts {
    /// The model: from the body, else from the path as it is written there (Azure's deployments; Gemini, first of all).
    /// Never empty.
    pub model: String,
    /// Whether the answer is to be a stream; `false` where the body does not say.
    pub stream: bool,
    /// How many tools the model may call.
    pub tools: usize,
    /// The text of the last message from the user that has any; the parts of one message joined by line feeds.
    /// Of a prompt or an input that is a list of texts, the last.
    pub last_user_text: Option<String>,
    /// How many tokens the model will read, roughly: the bytes (UTF-8) of all texts, tool calls, their results and
    /// tool definitions, divided by four; four more for each message; tokens that are given as numbers, as they are.
    ///
    /// Four characters to a token is the rule of thumb that OpenAI and Google state for English, and about four tokens
    /// to a message is what OpenAI's cookbook counts for the chat format. Bytes do better than characters elsewhere,
    /// since a character of another script is more of a token; there, expect to be off by a factor of two either way,
    /// depending on the tokenizer. Pictures, sound and files count nothing. Good for a reservation that is settled when
    /// the true count is known, not for a bill.
    pub input_tokens_estimate: u64,
    /// The most tokens that the model may write, if the request says.
    pub max_output_tokens: Option<u64>,
}

impl Dialect {
    /// Reads what a request asks for, in one pass over its body (in another one if it escapes half of a
    /// surrogate pair, which is read as U+FFFD).
    ///
    /// Takes time and, at worst, memory in proportion to the body (texts with escapes are copied, and of what is passed
    /// over the open brackets are kept), and stack for at most 128 levels; bound the body before. `path` as for [`from_path`](Self::from_path).
    ///
    /// # Errors
    /// If the body is not one JSON object, nests what is read more than 128 deep, has a field of the wrong shape among
    /// those that are read here (`model`, `stream`, `tools`, the messages or input, the token limit) or has it twice,
    /// names no model, or has no `messages` (chat, Anthropic) or `contents` (Gemini).
    ///
    /// ```
    /// use dashpot_wire::dialect::Dialect;
    ///
    /// let body = br#"{"model":"m","stream":true,"messages":[{"role":"user","content":"Why?"}]}"#;
    /// let facts = Dialect::OpenAiChat.read_request("/v1/chat/completions", body).unwrap();
    /// assert_eq!(facts.model, "m");
    /// assert!(facts.stream);
    /// assert_eq!(facts.last_user_text.as_deref(), Some("Why?"));
    ///
    /// let error = Dialect::OpenAiChat.read_request("/v1/chat/completions", br#"{"model":5}"#).unwrap_err();
    /// assert_eq!(error.to_string(), "`model` must be a string, not a number at line 1 column 10");
    /// ```
    pub fn read_request(self, path: &str, body: &[u8]) -> Result<RequestFacts, RequestError> {
        let repaired;
        let body = match body::read(self, body) {
            Ok(body) => body,
            // Only what cannot be read is looked through for it.
            Err(error) => {
                repaired = surrogate::replaced(body).ok_or(error)?;
                body::read(self, &repaired)?
            }
        };
        let required = match self {
            Self::OpenAiChat | Self::AnthropicMessages => Some("messages"),
            Self::Gemini => Some("contents"),
            // Responses can go on from a stored prompt, and servers have more ways to give a prompt or an input.
            _ => None,
        };
        if let Some(field) = required.filter(|_| !body.has_turns) {
            return Err(RequestError::missing(field));
        }
        let named = body.model.as_deref().filter(|model| !model.is_empty());
        let in_path = || path::model(path);
        // Gemini's path decides, as its service does.
        let model = if self == Self::Gemini { in_path().or(named) } else { named.or_else(in_path) };
        Ok(RequestFacts {
            model: model.ok_or_else(|| RequestError::missing("model"))?.to_owned(),
            stream: body.stream || self == Self::Gemini && path::is_stream(path),
            tools: body.tools,
            input_tokens_estimate: body.prompt.estimate.tokens(),
            last_user_text: body.prompt.last_user_text.map(Cow::into_owned),
            max_output_tokens: body.max_output_tokens,
        })
    }
}

/// Why a request cannot be read; its text may be shown to the caller, and repeats nothing of the request's texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestError(String);

impl RequestError {
    fn missing(field: &str) -> Self {
        Self(format!("`{field}` is missing"))
    }
}

impl From<serde_json::Error> for RequestError {
    fn from(error: serde_json::Error) -> Self {
        Self(error.to_string())
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for RequestError {}
