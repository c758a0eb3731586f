use std::time::Duration;

use http::HeaderMap;

use crate::timestamp::http_date;

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

pub(crate) fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    Some(headers.get(name)?.to_str().ok()?.trim())
}

/// A decimal number of `unit` seconds.
pub(crate) fn seconds(value: &str, unit: f64) -> Option<Duration> {
    // Rust's own parser also takes "inf", "nan" and exponents.
    if value.is_empty() || !value.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return None;
    }
    let seconds = value.parse::<f64>().ok()? * unit;
    Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

/// From the response's own `Date` to `at`, both since the Unix epoch.
pub(crate) fn until(headers: &HeaderMap, at: Duration) -> Option<Duration> {
    Some(at.saturating_sub(http_date(text(headers, "date")?)?))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    const NAMES: [&str; 5] =
        ["retry-after-ms", "x-ms-retry-after-ms", "grpc-retry-pushback-ms", "retry-after", "date"];

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

    proptest! {
        #[test]
        fn no_header_value_panics_or_leaves_its_bounds(
            name in proptest::sample::select(&NAMES),
            value in proptest::collection::vec(any::<u8>(), 0..48),
            wordy in "[-+]?[0-9.]{0,24}(ms|e9)?[0-9]{0,3}s?",
        ) {
            let wordy = HeaderValue::from_str(&wordy).unwrap();
            for value in [HeaderValue::from_bytes(&value).ok(), Some(wordy)].into_iter().flatten() {
                let mut headers = headers(&[("date", "Thu, 29 Feb 2024 12:00:00 GMT")]);
                headers.insert(name, value);
                prop_assert!(retry_after(&headers).is_none_or(|hint| !hint.is_zero() && hint <= MAX_RETRY_AFTER));
            }
        }

        #[test]
        fn every_number_of_seconds_is_read(seconds in 1_u64..86_400) {
            prop_assert_eq!(hint(&[("retry-after", &seconds.to_string())]), Some(Duration::from_secs(seconds)));
        }
    }
}
