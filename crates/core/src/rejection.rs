use std::{
    fmt::{self, Write as _},
    time::Duration,
};

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

/// Why a layer refused a request; in the extensions of the response that it made instead.
///
/// An outer layer recognises a refusal by it, and does not take it for the upstream's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejection {
    layer: &'static str,
    reason: &'static str,
    status: StatusCode,
    retry_after: Option<Duration>,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)?;
        match self.retry_after {
            Some(after) => write!(f, "; try again in {after:?}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Rejection {}

impl Rejection {
    /// A refusal with 503 by `layer` (its name) for `reason` (words that a caller may read).
    #[must_use]
    pub const fn new(layer: &'static str, reason: &'static str) -> Self {
        Self { layer, reason, status: StatusCode::SERVICE_UNAVAILABLE, retry_after: None }
    }

    /// The same with another status.
    #[must_use]
    pub const fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// The same with a time after which a new try may succeed.
    #[must_use]
    pub const fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// The layer that refused.
    #[must_use]
    pub const fn layer(&self) -> &'static str {
        self.layer
    }

    /// Why it refused.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        self.reason
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// When a new try may succeed.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The refusal as HTTP: the status, `Retry-After` in whole seconds with the more exact `retry-after-ms` beside it
    /// (both rounded up, at least 1), and a problem body (RFC 9457).
    #[must_use]
    pub fn problem(&self) -> Response<String> {
        let (status, reason) = (self.status.as_u16(), Escaped(self.reason, Escaped::json));
        let title = Escaped(self.status.canonical_reason().unwrap_or("Refused"), Escaped::json);
        let mut response = Response::new(format!(
            r#"{{"type":"about:blank","title":"{title}","status":{status},"detail":"{reason}","layer":"{}"}}"#,
            Escaped(self.layer, Escaped::json),
        ));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(millis) = self.retry_after_millis() {
            headers.insert(header::RETRY_AFTER, millis.div_ceil(1000).into());
            headers.insert("retry-after-ms", millis.into());
        }
        response.extensions_mut().insert(*self);
        response
    }

    /// The refusal as gRPC: a head that holds the trailers, with the code for the status (429 `RESOURCE_EXHAUSTED`,
    /// 504 `DEADLINE_EXCEEDED`, any other 4xx `INVALID_ARGUMENT`, else `UNAVAILABLE`) and `grpc-retry-pushback-ms`.
    #[must_use]
    pub fn grpc(&self) -> Response<()> {
        let code = match self.status.as_u16() {
            429 => 8_u16,
            504 => 4,
            400..500 => 3,
            _ => 14,
        };
        let mut response = Response::new(());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert("grpc-status", code.into());
        if let Ok(message) = HeaderValue::try_from(Escaped(self.reason, Escaped::percent).to_string()) {
            headers.insert("grpc-message", message);
        }
        if let Some(millis) = self.retry_after_millis() {
            // The header holds an i32 (gRFC A6).
            headers.insert("grpc-retry-pushback-ms", i32::try_from(millis).unwrap_or(i32::MAX).into());
        }
        response.extensions_mut().insert(*self);
        response
    }

    /// The refusal of a request with these headers: as [gRPC](Self::grpc) if they are those of a gRPC call, else as a
    /// [problem](Self::problem).
    #[must_use]
    pub fn response(&self, headers: &HeaderMap) -> Response<String> {
        if is_grpc(headers) { self.grpc().map(|()| String::new()) } else { self.problem() }
    }

    /// Never 0, which readers take for "not said".
    fn retry_after_millis(&self) -> Option<u64> {
        let millis = self.retry_after?.as_nanos().div_ceil(1_000_000).max(1);
        Some(u64::try_from(millis).unwrap_or(u64::MAX))
    }
}

/// Whether the headers are those of a gRPC message: `content-type` of `application/grpc`, with or without a suffix.
#[must_use]
pub fn is_grpc(headers: &HeaderMap) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return false };
    let Some((start, rest)) = value.as_bytes().split_at_checked(GRPC.len()) else { return false };
    start.eq_ignore_ascii_case(GRPC) && matches!(rest.trim_ascii_start().first(), None | Some(b'+' | b';'))
}

/// Words with what a format cannot hold escaped, one character at a time.
struct Escaped(&'static str, fn(char, &mut fmt::Formatter<'_>) -> fmt::Result);

impl Escaped {
    fn json(c: char, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match c {
            '"' | '\\' => write!(f, "\\{c}"),
            c if c < ' ' => write!(f, "\\u{:04x}", u32::from(c)),
            c => f.write_char(c),
        }
    }

    /// As `grpc-message` wants it: space to tilde but `%` as they are, the other bytes percent-encoded.
    fn percent(c: char, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if matches!(c, ' '..='~') && c != '%' {
            return f.write_char(c);
        }
        c.encode_utf8(&mut [0; 4]).bytes().try_for_each(|byte| write!(f, "%{byte:02X}"))
    }
}

impl fmt::Display for Escaped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| (self.1)(c, f))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_its_cause_and_when_to_come_back() {
        let rejection = Rejection::new("limit", "all 8 slots are \"busy\"\n");
        let response = rejection.with_retry_after(Duration::from_millis(1200)).problem();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "2");
        assert_eq!(response.headers()["retry-after-ms"], "1200");
        assert_eq!(
            response.body(),
            r#"{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"all 8 slots are \"busy\"\u000a","layer":"limit"}"#
        );
        assert_eq!(response.extensions().get::<Rejection>().unwrap().layer(), "limit");
    }

    #[test]
    fn a_wait_of_nothing_is_never_zero_to_those_who_read_it() {
        let rejection = Rejection::new("limit", "full").with_retry_after(Duration::from_nanos(1));
        let problem = rejection.problem();
        assert_eq!(problem.headers()["retry-after"], "1");
        for headers in [problem.headers(), rejection.grpc().headers()] {
            assert_eq!(crate::retry_after(headers), Some(Duration::from_millis(1)), "{headers:?}");
        }
    }

    #[test]
    fn a_grpc_refusal_has_a_code_a_message_and_a_pushback() {
        let too_many = StatusCode::TOO_MANY_REQUESTS;
        let rejection = Rejection::new("rate", "100 % \u{fc}ber").with_status(too_many);
        let response = rejection.with_retry_after(Duration::from_secs(u64::MAX / 1000)).grpc();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["grpc-status"], "8");
        assert_eq!(response.headers()["grpc-message"], "100 %25 %C3%BCber");
        assert_eq!(response.headers()["grpc-retry-pushback-ms"], i32::MAX.to_string().as_str());
        assert!(is_grpc(response.headers()));
    }

    #[test]
    fn only_grpc_is_taken_for_grpc() {
        for (value, grpc) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("Application/gRPC ;x", true),
            ("application/grpc-web", false),
            ("text/event-stream", false),
        ] {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(value))]);
            assert_eq!(is_grpc(&headers), grpc, "{value}");
        }
    }
}
