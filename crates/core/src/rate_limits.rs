use std::time::Duration;

use http::HeaderMap;

use crate::{
    MAX_RETRY_AFTER,
    retry::{seconds, text, until},
    timestamp::rfc3339,
};

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

/// The headers for limit, remaining and reset, whole, so that nothing is allocated to look them up.
macro_rules! openai_names {
    ($what:literal) => {
        [
            concat!("x-ratelimit-limit-", $what),
            concat!("x-ratelimit-remaining-", $what),
            concat!("x-ratelimit-reset-", $what),
        ]
    };
}

macro_rules! anthropic_names {
    ($what:literal) => {
        [
            concat!("anthropic-ratelimit-", $what, "-limit"),
            concat!("anthropic-ratelimit-", $what, "-remaining"),
            concat!("anthropic-ratelimit-", $what, "-reset"),
        ]
    };
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
        Self {
            requests: openai(openai_names!("requests")).or_else(|| anthropic(anthropic_names!("requests"))),
            tokens: openai(openai_names!("tokens")).or_else(|| anthropic(anthropic_names!("tokens"))),
            input_tokens: anthropic(anthropic_names!("input-tokens")),
            output_tokens: anthropic(anthropic_names!("output-tokens")),
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

/// A duration as Go prints it (`6m0s`, `1h2m`, `20ms`, `1.5s`), or a plain number of seconds.
fn go_duration(value: &str) -> Option<Duration> {
    if let Some(plain) = seconds(value, 1.0) {
        return Some(plain);
    }
    let (mut rest, mut total) = (value, Duration::ZERO);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let units = [("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9), ("h", 3600.0), ("m", 60.0), ("s", 1.0)];
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

    const NAMES: &[[&str; 3]] =
        &[openai_names!("tokens"), anthropic_names!("tokens"), anthropic_names!("input-tokens")];

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
            .collect()
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
            name in proptest::sample::select(NAMES.as_flattened()),
            value in proptest::collection::vec(any::<u8>(), 0..48),
            wordy in "[-+]?[0-9.]{0,24}(ms|us|h|m|s|e9)?[0-9]{0,3}s?",
            dated in "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{0,3})?(Z|[-+][0-9]{2}:[0-9]{2})",
        ) {
            let [wordy, dated] = [wordy, dated].map(|text| HeaderValue::from_str(&text).ok());
            for value in [HeaderValue::from_bytes(&value).ok(), wordy, dated].into_iter().flatten() {
                let mut headers = headers(&[("date", "Thu, 29 Feb 2024 12:00:00 GMT")]);
                headers.insert(name, value);
                let limits = RateLimits::from_headers(&headers);
                for allowance in [limits.tokens, limits.input_tokens].into_iter().flatten() {
                    prop_assert_ne!(allowance.limit, Some(0));
                    prop_assert!(allowance.reset.is_none_or(|reset| !reset.is_zero() && reset <= MAX_RETRY_AFTER));
                }
            }
        }
    }
}
