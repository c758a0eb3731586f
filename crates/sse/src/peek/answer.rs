use std::mem::discriminant;

use bytes::Bytes;
use dashpot_core::{BodyReport, Classify, HttpClassify, Outcome};
use dashpot_wire::dialect::Dialect;
use http::{HeaderValue, Response, StatusCode, header, response::Parts};
use serde_json::{Value, json};

use crate::head;

/// Where the error has none.
const MESSAGE: &str = "the model server answered with an error";

/// The answer in place of a stream with this head, whose first event says that it failed.
pub(super) fn of_error(mut head: Parts, dialect: Dialect, outcome: Outcome, event: &[u8]) -> Response<Bytes> {
    let event: Value = serde_json::from_slice(event).unwrap_or_default();
    let id = event.get("request_id").cloned();
    let error = error(event);
    head.status = status(dialect, outcome, &error);
    let words = match (&error, id) {
        (Value::Object(_), Some(id)) if dialect == Dialect::AnthropicMessages => {
            json!({"type": "error", "error": error, "request_id": id}).to_string()
        }
        (Value::Object(_), _) if dialect == Dialect::AnthropicMessages => {
            json!({"type": "error", "error": error}).to_string()
        }
        (Value::Object(_), _) => json!({"error": error}).to_string(),
        _ => dialect.error_body(head.status.as_u16(), error.as_str().unwrap_or(MESSAGE)),
    };

    head::forget_body(&mut head.headers);
    head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // A layer further in that reads the stream has said the same.
    if head.extensions.get::<BodyReport>().is_none() {
        let report = BodyReport::default();
        report.set_outcome(outcome);
        head.extensions.insert(report);
    }
    tracing::debug!(
        status = head.status.as_u16(),
        dialect = dialect.name(),
        "a stream that begins with an error is answered with its status"
    );
    Response::from_parts(head, words.into())
}

/// What an event says of an error: an object, or a string, or null.
fn error(mut event: Value) -> Value {
    for place in ["/error", "/response/error"] {
        if let Some(error) = event.pointer_mut(place).filter(|error| !error.is_null()) {
            return error.take();
        }
    }
    // OpenAI responses have the fields of the error in the event itself.
    match event.as_object_mut() {
        Some(fields) if fields.contains_key("message") => {
            fields.remove("type");
            fields.remove("sequence_number");
            event
        }
        _ => Value::Null,
    }
}

fn status(dialect: Dialect, outcome: Outcome, error: &Value) -> StatusCode {
    let plain = match outcome {
        Outcome::RateLimited { .. } => 429,
        Outcome::Overload { .. } if dialect == Dialect::AnthropicMessages => 529,
        Outcome::Overload { .. } => 503,
        Outcome::Ignored => 400,
        Outcome::Failure | Outcome::Success => 500,
    };
    let said = ["code", "type", "status"].into_iter().filter_map(|name| said(&error[name]));
    // To outer layers the status must mean what the event means: 402 and 408, for two, say something else.
    let mut exact = said.filter_map(|status| {
        let status = StatusCode::from_u16(status).ok()?;
        let mut answer = Response::new(());
        *answer.status_mut() = status;
        let means = Classify::<_, ()>::response(&HttpClassify, &answer)?;
        (status.as_u16() >= 400 && discriminant(&means) == discriminant(&outcome)).then_some(status)
    });
    exact.next().or(StatusCode::from_u16(plain).ok()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The status that a word stands for, or a number that is one: Gemini, vLLM and OpenRouter write it as a number, LiteLLM
/// and Azure as a string.
fn said(word: &Value) -> Option<u16> {
    if let Some(number) = word.as_u64() {
        return number.try_into().ok();
    }
    Some(match word.as_str()? {
        "authentication_error" | "UNAUTHENTICATED" => 401,
        "permission_error" | "PERMISSION_DENIED" => 403,
        "not_found_error" | "model_not_found" | "NOT_FOUND" => 404,
        "request_too_large" => 413,
        "timeout" | "timeout_error" | "DEADLINE_EXCEEDED" => 504,
        word => word.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(dialect: Dialect, outcome: Outcome, event: &str) -> (u16, String) {
        let head = Response::new(()).into_parts().0;
        let answer = of_error(head, dialect, outcome, event.as_bytes());
        (answer.status().as_u16(), String::from_utf8(answer.into_body().to_vec()).unwrap())
    }

    #[test]
    fn the_status_is_as_exact_as_the_error_and_means_what_the_event_means() {
        use Dialect::{AnthropicMessages, Gemini, OpenAiChat};
        let (overload, rate) = (
            Outcome::Overload { retry_after: None },
            Outcome::RateLimited { quota: false, retry_after: None },
        );
        for (dialect, outcome, error, status) in [
            (AnthropicMessages, overload, r#"{"type":"overloaded_error"}"#, 529),
            (AnthropicMessages, overload, r#"{"type":"timeout_error"}"#, 504),
            (AnthropicMessages, Outcome::Ignored, r#"{"type":"not_found_error"}"#, 404),
            (AnthropicMessages, Outcome::Ignored, r#"{"type":"invalid_request_error"}"#, 400),
            (AnthropicMessages, Outcome::Failure, r#"{"type":"api_error"}"#, 500),
            (OpenAiChat, overload, r#"{"code":"server_is_overloaded"}"#, 503),
            (OpenAiChat, overload, r#"{"code":408}"#, 503),
            (OpenAiChat, rate, r#"{"code":402}"#, 429),
            (OpenAiChat, rate, r#"{"code":"429"}"#, 429),
            (OpenAiChat, Outcome::Failure, r#"{"code":502}"#, 502),
            (OpenAiChat, Outcome::Failure, r#"{"code":200}"#, 500),
            (OpenAiChat, Outcome::Failure, r#"{"code":70000}"#, 500),
            (OpenAiChat, Outcome::Ignored, r#"{"type":"x","code":"model_not_found"}"#, 404),
            (Gemini, overload, r#"{"code":503,"status":"UNAVAILABLE"}"#, 503),
            (Gemini, Outcome::Ignored, r#"{"status":"PERMISSION_DENIED"}"#, 403),
        ] {
            let event = format!(r#"{{"error":{error}}}"#);
            assert_eq!(answer(dialect, outcome, &event).0, status, "{event}");
        }
    }

    #[test]
    fn an_error_without_an_object_is_said_in_the_words_of_the_dialect() {
        for (event, message) in
            [(r#"{"error":"boom"}"#, "boom"), ("not JSON", MESSAGE), ("{}", MESSAGE), ("", MESSAGE)]
        {
            let dialect = Dialect::AnthropicMessages;
            let expected = dialect.error_body(500, message);
            assert_eq!(answer(dialect, Outcome::Failure, event), (500, expected), "{event}");
        }
    }
}
