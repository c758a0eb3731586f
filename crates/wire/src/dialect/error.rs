use std::fmt;

use dashpot_core::Outcome;
use serde_json::Value;

use super::Dialect;

impl Dialect {
    /// An error as this API writes it in the body of a response with `status`; the official libraries read it.
    ///
    /// ```
    /// use dashpot_wire::dialect::Dialect;
    ///
    /// let body = Dialect::AnthropicMessages.error_body(529, "try \"later\"");
    /// assert_eq!(body, r#"{"type":"error","error":{"type":"overloaded_error","message":"try \"later\""}}"#);
    /// ```
    #[must_use]
    pub fn error_body(self, status: u16, message: &str) -> String {
        ErrorBody { dialect: self, status, message }.to_string()
    }

    /// The block that says in the middle of a stream what [`error_body`](Self::error_body) says instead of one; the
    /// official library of this API raises an error when it comes. Put it in only between two blocks.
    #[must_use]
    pub fn error_event(self, status: u16, message: &str) -> String {
        let body = ErrorBody { dialect: self, status, message };
        match self {
            Self::AnthropicMessages => format!("event: error\ndata: {body}\n\n"),
            // OpenAI documents the flat event, sends the nested one, and its Python library only raises for that.
            Self::OpenAiResponses => {
                let (_, code) = openai_words(status);
                let (code, message, error) =
                    (Value::from(code), Value::from(message), OpenAi(status, message));
                format!(
                    r#"event: error
data: {{"type":"error","sequence_number":0,"code":{code},"message":{message},"param":null,"error":{error}}}

"#
                )
            }
            _ => format!("data: {body}\n\n"),
        }
    }
}

struct ErrorBody<'a> {
    dialect: Dialect,
    status: u16,
    message: &'a str,
}

impl fmt::Display for ErrorBody<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (status, message) = (self.status, Value::from(self.message));
        match self.dialect {
            Dialect::AnthropicMessages => {
                let kind = anthropic_type(status);
                write!(f, r#"{{"type":"error","error":{{"type":"{kind}","message":{message}}}}}"#)
            }
            Dialect::Gemini => {
                let word = google_status(status);
                write!(f, r#"{{"error":{{"code":{status},"message":{message},"status":"{word}"}}}}"#)
            }
            _ => write!(f, r#"{{"error":{}}}"#, OpenAi(status, self.message)),
        }
    }
}

/// OpenAI's error object.
struct OpenAi<'a>(u16, &'a str);

impl fmt::Display for OpenAi<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((kind, code), message) = (openai_words(self.0), Value::from(self.1));
        let code = Value::from(code);
        write!(f, r#"{{"message":{message},"type":"{kind}","param":null,"code":{code}}}"#)
    }
}

/// `type` and `code`, as OpenAI sends them with a status.
fn openai_words(status: u16) -> (&'static str, Option<&'static str>) {
    match status {
        401 => ("authentication_error", None),
        403 => ("permission_error", None),
        429 => ("rate_limit_error", Some("rate_limit_exceeded")),
        503 | 529 => ("service_unavailable_error", Some("server_is_overloaded")),
        504 => ("server_error", Some("timeout")),
        500.. => ("server_error", None),
        _ => ("invalid_request_error", None),
    }
}

/// The types that Anthropic documents for each status.
fn anthropic_type(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 | 529 => "overloaded_error",
        504 => "timeout_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}

/// The code of `google.rpc.Code` for each status, as that enumeration's comments map them.
fn google_status(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        501 => "UNIMPLEMENTED",
        503 | 529 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        500.. => "INTERNAL",
        _ => "INVALID_ARGUMENT",
    }
}

/// What an error in a stream means. An error has several words (`type`, `code`, `status`); the greatest counts, and
/// so those that say more stand later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ErrorClass {
    Failure,
    /// The request's own fault.
    Request,
    Overload,
    Rate,
    Quota,
}

impl ErrorClass {
    /// Of a word in any of the dialects: no word means different things in two of them.
    pub(super) fn of_word(word: &[u8]) -> Self {
        match word {
            b"insufficient_quota"
            | b"billing_error"
            | b"billing_hard_limit_reached"
            | b"billing_not_active"
            | b"project_spend_limit_exceeded"
            | b"organization_spend_limit_exceeded"
            | b"organization_usage_limit_exceeded" => Self::Quota,
            // LiteLLM and Azure write the status as a string.
            _ if !word.is_empty() && word.iter().all(u8::is_ascii_digit) => Self::of_status(word),
            b"rate_limit_error" | b"rate_limit_exceeded" | b"too_many_requests" | b"RESOURCE_EXHAUSTED" => {
                Self::Rate
            }
            b"overloaded"
            | b"overloaded_error"
            | b"server_is_overloaded"
            | b"slow_down"
            | b"service_unavailable"
            | b"service_unavailable_error"
            | b"timeout"
            | b"timeout_error"
            | b"vector_store_timeout"
            | b"UNAVAILABLE"
            | b"DEADLINE_EXCEEDED" => Self::Overload,
            b"authentication_error"
            | b"permission_error"
            | b"not_found_error"
            | b"request_too_large"
            | b"model_not_found"
            | b"context_length_exceeded"
            | b"string_above_max_length"
            | b"content_filter"
            | b"data_residency_mismatch"
            | b"empty_image_file"
            | b"failed_to_download_image"
            | b"INVALID_ARGUMENT"
            | b"FAILED_PRECONDITION"
            | b"OUT_OF_RANGE"
            | b"UNAUTHENTICATED"
            | b"PERMISSION_DENIED"
            | b"NOT_FOUND"
            | b"ABORTED"
            | b"CANCELLED" => Self::Request,
            // `invalid_image_url`, `unsupported_image_media_type`, `image_too_large`, `bio_policy`, ...
            _ if [&b"invalid_"[..], b"unsupported_", b"image_"].iter().any(|head| word.starts_with(head)) => {
                Self::Request
            }
            _ if word.ends_with(b"_policy") || word.ends_with(b"_policy_violation") => Self::Request,
            _ => Self::Failure,
        }
    }

    /// Of a number where the word should be, which is then an HTTP status: Gemini, vLLM, OpenRouter.
    pub(super) fn of_status(status: &[u8]) -> Self {
        match status {
            b"402" => Self::Quota,
            b"429" => Self::Rate,
            b"408" | b"503" | b"504" | b"529" => Self::Overload,
            [b'4', _, _] => Self::Request,
            _ => Self::Failure,
        }
    }

    pub(super) fn outcome(self) -> Outcome {
        match self {
            Self::Failure => Outcome::Failure,
            Self::Request => Outcome::Ignored,
            Self::Overload => Outcome::Overload { retry_after: None },
            Self::Rate => Outcome::RateLimited { quota: false, retry_after: None },
            Self::Quota => Outcome::RateLimited { quota: true, retry_after: None },
        }
    }
}
