//! What requests and streams of the model providers' HTTP APIs say, as far as a layer in between needs to know.
//!
//! The shapes are those that the providers' official Python libraries read and write (openai 3.57, anthropic 2.13,
//! google-genai 3.6). Unknown fields and events never fail; what is read is listed at each item.

mod error;
mod path;
mod request;
mod stream;

pub use request::{RequestError, RequestFacts};
pub use stream::{FinishReason, StreamReader, Usage};

/// One provider API: how its requests, streams and errors are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// OpenAI chat completions, and the many servers that speak it: `POST .../chat/completions`.
    OpenAiChat,
    /// OpenAI responses: `POST .../responses`.
    OpenAiResponses,
    /// OpenAI's older completions: `POST .../completions`.
    OpenAiCompletions,
    /// OpenAI embeddings: `POST .../embeddings`. Never a stream.
    OpenAiEmbeddings,
    /// Anthropic messages: `POST .../v1/messages`.
    AnthropicMessages,
    /// Gemini, also on Vertex AI: `POST .../models/{model}:generateContent` or `:streamGenerateContent?alt=sse`.
    Gemini,
}

impl Dialect {
    /// The dialect of a request to `path`, whatever comes before the part that tells, as in
    /// `/openai/deployments/x/chat/completions`. A query is not looked at.
    ///
    /// ```
    /// use dashpot_wire::dialect::Dialect;
    ///
    /// assert_eq!(Dialect::from_path("/v1/chat/completions"), Some(Dialect::OpenAiChat));
    /// assert_eq!(Dialect::from_path("/v1beta/models/g:generateContent"), Some(Dialect::Gemini));
    /// assert_eq!(Dialect::from_path("/v1/models"), None);
    /// ```
    #[must_use]
    pub fn from_path(path: &str) -> Option<Self> {
        path::dialect(path)
    }

    /// A name for logs and labels, such as `openai-chat`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenAiChat => "openai-chat",
            Self::OpenAiResponses => "openai-responses",
            Self::OpenAiCompletions => "openai-completions",
            Self::OpenAiEmbeddings => "openai-embeddings",
            Self::AnthropicMessages => "anthropic-messages",
            Self::Gemini => "gemini",
        }
    }
}
