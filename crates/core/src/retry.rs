use std::time::Duration;

use http::HeaderMap;

use crate::timestamp::{http_date, rfc3339};

/// No hint is longer than this: one day. What comes from the network must not park a client for ever.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// How long the upstream asks us to stay away: more than zero, at most [`MAX_RETRY_AFTER`].
///
/// The first of these that says so counts: `retry-after-ms`, `x-ms-retry-after-ms` (Azure), `grpc-retry-pushback-ms`
/// (gRFC A6), `retry-after` in seconds, whole or fractional, or as an HTTP-date. A date is taken relative to the
/// response's own `Date`, so that clocks that differ do no harm; without one it is absent. Absent is also what is zero or
/// less, since Azure sends that for "not said"; so a pushback below zero, which forbids a retry, is no hint here.
#[must_use]
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let positive = |wait: &Duration| !wait.is_zero();
    let millis = ["retry-after-ms", "x-ms-retry-after-ms", "grpc-retry-pushback-ms"];
    let hint = millis
        .into_iter()
        .find_map(|name| seconds(text(headers, name)?, 1e-3).filter(positive))
        .or_else(|| {
            let value = text(headers, "retry-after")?;
            seconds(value, 1.0).or_else(|| until(headers, http_date(value)?)).filter(positive)
        })?;
    Some(hint.min(MAX_RETRY_AFTER))
}

/// What a provider says is left of one allowance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// How much there is for each period; never 0.
    pub limit: Option<u64>,
    /// How much is left.
    pub remaining: Option<u64>,
    /// When it is whole again, at most [`MAX_RETRY_AFTER`]; never 0.
    pub reset: Option<Duration>,
}

/// What a provider's headers say of its rate limits.
///
/// Read from `x-ratelimit-{limit,remaining,reset}-{requests,tokens}` (OpenAI: resets as `6m0s`, `20ms`; Azure: in seconds)
/// and `anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-{limit,remaining,reset}` (resets in RFC 3339).
/// Azure sends 0 and -1 for what it does not count: a limit of 0 or less makes the whole allowance absent, and so do
/// values that cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimits {
    /// Requests.
    pub requests: Option<Allowance>,
    /// Tokens of both kinds.
    pub tokens: Option<Allowance>,
    /// Tokens of prompts.
    pub input_tokens: Option<Allowance>,
    /// Tokens of answers.
    pub output_tokens: Option<Allowance>,
}

impl RateLimits {
    /// Reads the headers of a response.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let openai = |[limit, remaining, reset]: [&str; 3]| {
            let reset = text(headers, reset).and_then(go_duration);
            allowance(text(headers, limit), text(headers, remaining), reset)
        };
        let anthropic = |[limit, remaining, reset]: [&str; 3]| {
            let reset = text(headers, reset).and_then(rfc3339).and_then(|at| until(headers, at));
            allowance(text(headers, limit), text(headers, remaining), reset)
        };
        // Whole names, so that nothing is allocated to look them up.
        Self {
            requests: openai([
                "x-ratelimit-limit-requests",
                "x-ratelimit-remaining-requests",
                "x-ratelimit-reset-requests",
            ])
            .or_else(|| {
                anthropic([
                    "anthropic-ratelimit-requests-limit",
                    "anthropic-ratelimit-requests-remaining",
                    "anthropic-ratelimit-requests-reset",
                ])
            }),
            tokens: openai([
                "x-ratelimit-limit-tokens",
                "x-ratelimit-remaining-tokens",
                "x-ratelimit-reset-tokens",
            ])
            .or_else(|| {
                anthropic([
                    "anthropic-ratelimit-tokens-limit",
                    "anthropic-ratelimit-tokens-remaining",
                    "anthropic-ratelimit-tokens-reset",
                ])
            }),
            input_tokens: anthropic([
                "anthropic-ratelimit-input-tokens-limit",
                "anthropic-ratelimit-input-tokens-remaining",
                "anthropic-ratelimit-input-tokens-reset",
            ]),
            output_tokens: anthropic([
                "anthropic-ratelimit-output-tokens-limit",
                "anthropic-ratelimit-output-tokens-remaining",
                "anthropic-ratelimit-output-tokens-reset",
            ]),
        }
    }
}

fn allowance(limit: Option<&str>, remaining: Option<&str>, reset: Option<Duration>) -> Option<Allowance> {
    let number = |value: Option<&str>| value?.parse::<i64>().ok();
    if number(limit).is_some_and(|limit| limit <= 0) {
        return None;
    }
    let limit = number(limit).and_then(|n| u64::try_from(n).ok());
    // Without a limit beside it, "0 left" is as likely Azure's way to say "not counted".
    let least = i64::from(limit.is_none());
    let remaining = number(remaining).filter(|&n| n >= least).and_then(|n| u64::try_from(n).ok());
    let reset = reset.map(|reset| reset.min(MAX_RETRY_AFTER)).filter(|reset| !reset.is_zero());
    let found = Allowance { limit, remaining, reset };
    (found != Allowance::default()).then_some(found)
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    Some(headers.get(name)?.to_str().ok()?.trim())
}

/// A decimal number of `unit` seconds.
fn seconds(value: &str, unit: f64) -> Option<Duration> {
    // Rust's own parser also takes "inf", "nan" and exponents.
    if value.is_empty() || !value.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return None;
    }
    let seconds = value.parse::<f64>().ok()? * unit;
    Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

/// From the response's own `Date` to `at`, both since the Unix epoch.
fn until(headers: &HeaderMap, at: Duration) -> Option<Duration> {
    Some(at.saturating_sub(http_date(text(headers, "date")?)?))
}

/// A duration as Go prints it (`6m0s`, `1h2m`, `20ms`, `1.5s`), or a plain number of seconds.
fn go_duration(value: &str) -> Option<Duration> {
    if let Some(plain) = seconds(value, 1.0) {
        return Some(plain);
    }
    let (mut rest, mut total) = (value, Duration::ZERO);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let units = [
            ("ms", 1e-3),
            ("us", 1e-6),
            ("\u{b5}s", 1e-6),
            ("ns", 1e-9),
            ("h", 3600.0),
            ("m", 60.0),
            ("s", 1.0),
        ];
        let (unit, scale) = units.into_iter().find(|(unit, _)| tail.starts_with(unit))?;
        total = total.saturating_add(seconds(number, scale)?);
        rest = &tail[unit.len()..];
    }
    (!value.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    const NAMES: [&str; 8] = [
        "retry-after-ms",
        "retry-after",
        "date",
        "grpc-retry-pushback-ms",
        "x-ratelimit-limit-tokens",
        "x-ratelimit-reset-tokens",
        "anthropic-ratelimit-tokens-remaining",
        "anthropic-ratelimit-tokens-reset",
    ];

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    fn hint(pairs: &[(&'static str, &str)]) -> Option<Duration> {
        retry_after(&headers(pairs))
    }

    #[test]
    fn the_most_exact_hint_counts() {
        let millis = |n| Some(Duration::from_millis(n));
        assert_eq!(hint(&[("retry-after-ms", "1500"), ("retry-after", "9")]), millis(1500));
        assert_eq!(hint(&[("retry-after-ms", "soon"), ("retry-after", "9")]), millis(9000));
        assert_eq!(hint(&[("retry-after", "0.25")]), millis(250));
        assert_eq!(hint(&[("retry-after-ms", "0"), ("retry-after", "9")]), millis(9000));
        assert_eq!(hint(&[("grpc-retry-pushback-ms", "30")]), millis(30));
    }

    #[test]
    fn a_date_counts_from_the_date_of_the_response() {
        let (sent, later) = ("Thu, 29 Feb 2024 12:00:00 GMT", "Thu, 29 Feb 2024 12:00:40 GMT");
        assert_eq!(hint(&[("retry-after", later), ("date", sent)]), Some(Duration::from_secs(40)));
        assert_eq!(hint(&[("retry-after", sent), ("date", later)]), None, "over already");
        assert_eq!(hint(&[("retry-after", later)]), None, "relative to what?");
    }

    #[test]
    fn hints_are_clamped_and_nonsense_is_absent() {
        assert_eq!(hint(&[("retry-after", "99999999999999999999")]), Some(MAX_RETRY_AFTER));
        assert_eq!(hint(&[("retry-after", &"9".repeat(400))]), Some(MAX_RETRY_AFTER));
        for bad in ["", "0", "0.0", "-1", "-0", "inf", "NaN", "1e9", "0x10", "1.2.3", ".", "tomorrow"] {
            assert_eq!(hint(&[("retry-after", bad)]), None, "{bad}");
        }
    }

    #[test]
    fn openai_limits_are_read() {
        let limits = RateLimits::from_headers(&headers(&[
            ("x-ratelimit-limit-requests", "60"),
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-reset-requests", "6m0s"),
            ("x-ratelimit-remaining-tokens", "149984"),
            ("x-ratelimit-reset-tokens", "20ms"),
        ]));
        let requests =
            Allowance { limit: Some(60), remaining: Some(0), reset: Some(Duration::from_secs(360)) };
        let tokens =
            Allowance { limit: None, remaining: Some(149_984), reset: Some(Duration::from_millis(20)) };
        assert_eq!(
            limits,
            RateLimits { requests: Some(requests), tokens: Some(tokens), ..Default::default() }
        );
    }

    #[test]
    fn anthropic_limits_are_read() {
        let limits = RateLimits::from_headers(&headers(&[
            ("date", "Thu, 29 Feb 2024 12:00:00 GMT"),
            ("anthropic-ratelimit-output-tokens-limit", "8000"),
            ("anthropic-ratelimit-output-tokens-remaining", "7000"),
            ("anthropic-ratelimit-output-tokens-reset", "2024-02-29T12:00:30Z"),
        ]));
        let output =
            Allowance { limit: Some(8000), remaining: Some(7000), reset: Some(Duration::from_secs(30)) };
        assert_eq!(limits, RateLimits { output_tokens: Some(output), ..Default::default() });
    }

    #[test]
    fn what_azure_does_not_count_is_absent() {
        for zero in ["0", "-1"] {
            let limits = RateLimits::from_headers(&headers(&[
                ("x-ratelimit-limit-requests", zero),
                ("x-ratelimit-remaining-requests", zero),
                ("x-ratelimit-reset-requests", zero),
                ("x-ratelimit-remaining-tokens", zero),
            ]));
            assert_eq!(limits, RateLimits::default(), "{zero}");
        }
        let seconds = RateLimits::from_headers(&headers(&[("x-ratelimit-reset-tokens", "60")]));
        assert_eq!(seconds.tokens.unwrap().reset, Some(Duration::from_secs(60)));
    }

    #[test]
    fn durations_as_go_prints_them() {
        for (value, expected) in [
            ("1h2m3s", Some(Duration::from_secs(3723))),
            ("1.5s", Some(Duration::from_millis(1500))),
            ("7us", Some(Duration::from_micros(7))),
            ("", None),
            ("5", Some(Duration::from_secs(5))),
            ("5x", None),
            ("ms", None),
            ("5m3", None),
        ] {
            assert_eq!(go_duration(value), expected, "{value}");
        }
    }

    proptest! {
        #[test]
        fn no_header_value_panics_or_leaves_its_bounds(
            name in proptest::sample::select(&NAMES),
            value in proptest::collection::vec(any::<u8>(), 0..48),
            wordy in "[-+]?[0-9.]{0,24}(ms|us|h|m|s|e9)?[0-9]{0,3}s?",
        ) {
            let wordy = HeaderValue::from_str(&wordy).unwrap();
            for value in [HeaderValue::from_bytes(&value).ok(), Some(wordy)].into_iter().flatten() {
                let mut headers = headers(&[("date", "Thu, 29 Feb 2024 12:00:00 GMT")]);
                headers.insert(name, value);
                prop_assert!(retry_after(&headers).is_none_or(|hint| !hint.is_zero() && hint <= MAX_RETRY_AFTER));
                let limits = RateLimits::from_headers(&headers);
                for allowance in [limits.requests, limits.tokens].into_iter().flatten() {
                    prop_assert_ne!(allowance.limit, Some(0));
                    prop_assert!(allowance.reset.is_none_or(|reset| !reset.is_zero() && reset <= MAX_RETRY_AFTER));
                }
            }
        }

        #[test]
        fn every_number_of_seconds_is_read(seconds in 1_u64..86_400) {
            prop_assert_eq!(hint(&[("retry-after", &seconds.to_string())]), Some(Duration::from_secs(seconds)));
        }
    }
}
