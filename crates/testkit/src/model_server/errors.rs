use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use super::ask::Api;

/// Who is spoken to; errors look alike in all of OpenAI's APIs, but for streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Voice {
    OpenAi,
    Anthropic,
}

impl Voice {
    pub(super) fn of(api: Api) -> Self {
        if api == Api::Messages { Self::Anthropic } else { Self::OpenAi }
    }

    /// An error body; `code` refines the status where OpenAI has a word for it.
    pub(super) fn error(self, status: u16, code: Option<&str>, message: &str) -> Value {
        match self {
            Self::OpenAi => {
                let kind = match (status, code) {
                    (429, Some("insufficient_quota")) => "insufficient_quota",
                    (429, _) => "requests",
                    (500.., _) => "server_error",
                    _ => "invalid_request_error",
                };
                json!({"error": {"message": message, "type": kind, "param": null, "code": code}})
            }
            Self::Anthropic => {
                let kind = match status {
                    401 => "authentication_error",
                    404 => "not_found_error",
                    413 => "request_too_large",
                    429 => "rate_limit_error",
                    529 => "overloaded_error",
                    500.. => "api_error",
                    _ => "invalid_request_error",
                };
                json!({"type": "error", "error": {"type": kind, "message": message}})
            }
        }
    }

    /// Every hint that this provider gives with a 429.
    pub(super) fn hint(self, headers: &mut HeaderMap, retry_after: Duration) {
        headers.insert(
            "retry-after",
            retry_after.as_secs_f64().ceil().max(1.0).to_string().parse().unwrap_or(NONE),
        );
        headers.insert("retry-after-ms", millis(retry_after).into());
        let (prefix, reset) = match self {
            Self::OpenAi => ("x-ratelimit", format!("{}ms", millis(retry_after))),
            Self::Anthropic => ("anthropic-ratelimit", date_in(retry_after)),
        };
        let names = match self {
            Self::OpenAi => ["limit-requests", "remaining-requests", "reset-requests"],
            Self::Anthropic => ["requests-limit", "requests-remaining", "requests-reset"],
        };
        for (name, value) in names.into_iter().zip(["60", "0", &reset]) {
            let name = http::HeaderName::try_from(format!("{prefix}-{name}"));
            if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
                headers.insert(name, value);
            }
        }
    }
}

const NONE: HeaderValue = HeaderValue::from_static("1");

/// The event by which this API says in mid-stream that it failed, which is the stream's last.
pub(super) fn event(api: Option<Api>, number: usize) -> Bytes {
    let message = "The server had an error while it answered";
    Bytes::from(match api {
        Some(Api::Messages) => {
            format!("event: error\ndata: {}\n\n", Voice::Anthropic.error(500, None, message))
        }
        Some(Api::Responses) => {
            let data = json!({
                "type": "error", "code": "server_error", "message": message, "param": null, "sequence_number": number,
            });
            format!("event: error\ndata: {data}\n\n")
        }
        _ => format!("data: {}\n\n", Voice::OpenAi.error(500, None, message)),
    })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A date of RFC 3339, so far from now, rounded up to the second.
fn date_in(duration: Duration) -> String {
    #[allow(clippy::disallowed_methods, reason = "the header is a date, and nothing is measured with it")]
    let now = std::time::SystemTime::now();
    let at = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default() + duration;
    date(at.as_secs() + u64::from(at.subsec_nanos() > 0))
}

/// After Howard Hinnant's `civil_from_days`.
fn date(seconds: u64) -> String {
    let (days, time) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // The year begins in March, so that the leap day is its last.
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = era * 400 + year_of_era + carry;
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", time / 3600, time / 60 % 60, time % 60)
}

#[cfg(test)]
mod tests {
    use dashpot_core::{RateLimits, retry_after};

    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_709_208_000, "2024-02-29T12:00:00Z"),
            (4_102_444_799, "2099-12-31T23:59:59Z"),
        ] {
            assert_eq!(date(seconds), expected);
        }
    }

    #[test]
    fn the_hints_are_those_that_core_reads() {
        let (mut openai, mut anthropic) = (HeaderMap::new(), HeaderMap::new());
        Voice::OpenAi.hint(&mut openai, Duration::from_millis(1500));
        Voice::Anthropic.hint(&mut anthropic, Duration::from_millis(1500));
        anthropic.insert("date", "Thu, 29 Feb 2024 12:00:00 GMT".parse().unwrap());
        for headers in [openai, anthropic] {
            assert_eq!(headers["retry-after"], "2");
            assert_eq!(retry_after(&headers), Some(Duration::from_millis(1500)));
            let requests = RateLimits::from_headers(&headers).requests.unwrap();
            assert_eq!((requests.limit, requests.remaining), (Some(60), Some(0)));
            assert!(requests.reset.is_some());
        }
    }
}
