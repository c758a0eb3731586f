use std::{error::Error, fmt};

use dashpot_core::Outcome;
use serde_json::{Value, json};

use crate::dialect::Dialect;

/// Why there is no whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CollectError {
    /// The stream says that it failed.
    Upstream {
        /// What kind of error, as [`StreamReader::error`](crate::dialect::StreamReader::error) tells.
        outcome: Outcome,
        /// The data of the event that says so.
        data: String,
    },
    /// The answer or one of its events is larger than this many bytes.
    TooLarge(usize),
    /// The stream ended before the answer was complete.
    Truncated,
    /// The stream is not of this dialect, for the reason given.
    Unreadable(&'static str),
}

impl CollectError {
    /// How the exchange ended: an answer that is too large for us says nothing about the upstream.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        match self {
            Self::Upstream { outcome, .. } => *outcome,
            Self::TooLarge(_) => Outcome::Ignored,
            Self::Truncated | Self::Unreadable(_) => Outcome::Failure,
        }
    }

    /// The status and body that say this where a whole answer of `dialect` was wanted: the upstream's own error as it
    /// would have stood there, or else 502 in its words. The official library raises it.
    ///
    /// ```
    /// use dashpot_wire::{dialect::Dialect, modes::Collect};
    ///
    /// let mut collect = Collect::new(Dialect::OpenAiResponses, 1 << 20).expect("one of the three");
    /// let error = collect.push(b"data: {\"type\":\"error\",\"code\":\"rate_limit_exceeded\",\"message\":\"Slow\"}\n\n");
    /// let (status, body) = error.unwrap_err().response(Dialect::OpenAiResponses);
    /// assert_eq!((status, &*body), (429, r#"{"error":{"code":"rate_limit_exceeded","message":"Slow"}}"#));
    /// ```
    #[must_use]
    pub fn response(&self, dialect: Dialect) -> (u16, String) {
        let Self::Upstream { outcome, data } = self else {
            return (502, dialect.error_body(502, &self.to_string()));
        };
        let said = serde_json::from_str(data).ok().and_then(|data| error(data, dialect));
        let is_timeout = matches!(outcome, Outcome::Overload { .. }) && said.as_ref().is_some_and(is_timeout);
        let status = if is_timeout { 504 } else { status(*outcome, dialect) };
        let body = said.map_or_else(|| dialect.error_body(status, data), |body| body.to_string());
        (status, body)
    }
}

/// The statuses that the dialects have for what the words of an error mean.
const fn status(outcome: Outcome, dialect: Dialect) -> u16 {
    let anthropic = matches!(dialect, Dialect::AnthropicMessages);
    match outcome {
        Outcome::RateLimited { quota: true, .. } if anthropic => 402,
        Outcome::RateLimited { .. } => 429,
        Outcome::Overload { .. } if anthropic => 529,
        Outcome::Overload { .. } => 503,
        Outcome::Ignored => 400,
        Outcome::Success | Outcome::Failure => 502,
    }
}

/// Whether a body says that time ran out, as deadlines in between write it.
fn is_timeout(body: &Value) -> bool {
    let error = &body["error"];
    [&error["code"], &error["type"]].into_iter().any(|word| *word == "timeout" || *word == "timeout_error")
}

/// The body of an error, of the event that says so in mid-stream.
fn error(mut event: Value, dialect: Dialect) -> Option<Value> {
    let nested = ["/error", "/response/error"].into_iter();
    let nested = nested.filter_map(|path| event.pointer(path)).find(|error| error.is_object()).cloned();
    match dialect {
        // Stands in streams as it does alone.
        Dialect::AnthropicMessages => nested.map(|_| event),
        Dialect::OpenAiResponses if nested.is_none() => {
            let flat = event.as_object_mut().filter(|event| event.contains_key("message"))?;
            flat.retain(|key, _| matches!(key.as_str(), "code" | "message" | "param"));
            Some(json!({ "error": flat }))
        }
        _ => nested.map(|error| json!({ "error": error })),
    }
}

impl fmt::Display for CollectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Upstream { .. } => f.write_str("the stream ended with an error"),
            Self::TooLarge(limit) => write!(f, "the answer takes more than {limit} bytes"),
            Self::Truncated => f.write_str("the stream ended before the answer was complete"),
            Self::Unreadable(why) => f.write_str(why),
        }
    }
}

impl Error for CollectError {}
