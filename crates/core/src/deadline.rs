use std::time::{Duration, Instant};

use http::{HeaderMap, Request, Version};

/// When the whole exchange must be over; in the request's extensions.
///
/// Layers that wait, retry or fall back read it, and never start what cannot end in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Deadline {
    at: Instant,
    wished: bool,
}

impl Deadline {
    /// A deadline at `at`.
    #[must_use]
    pub fn at(at: Instant) -> Self {
        Self { at, wished: false }
    }

    /// The same, as what a client has asked for: it may be too soon for any answer, and that it passes is then nobody's
    /// failure.
    #[must_use]
    pub fn wished(self) -> Self {
        Self { wished: true, ..self }
    }

    /// Whether a client has asked for it.
    #[must_use]
    pub fn is_wished(self) -> bool {
        self.wished
    }

    /// A deadline `timeout` after `now`; `None` if no clock counts that far.
    #[must_use]
    pub fn after(now: Instant, timeout: Duration) -> Option<Self> {
        now.checked_add(timeout).map(Self::at)
    }

    /// The deadline of `request`, at `now`: the one in its extensions, or else the one that a gRPC client states.
    ///
    /// An upstream keeps the latter too, and what it says when that has passed is the client's doing.
    #[must_use]
    pub fn of<B>(request: &Request<B>, now: impl FnOnce() -> Instant) -> Option<Self> {
        request.extensions().get().copied().or_else(|| {
            // All of gRPC is HTTP/2; so the others need not look for the header.
            let is_http2 = request.version() == Version::HTTP_2;
            let timeout = is_http2.then(|| grpc_timeout(request.headers()))??;
            Self::after(now(), timeout).map(Self::wished)
        })
    }

    /// The instant itself.
    #[must_use]
    pub fn instant(self) -> Instant {
        self.at
    }

    /// What is left at `now`; zero when the deadline has passed.
    #[must_use]
    pub fn remaining(self, now: Instant) -> Duration {
        self.at.saturating_duration_since(now)
    }

    /// Whether nothing is left at `now`.
    #[must_use]
    pub fn is_past(self, now: Instant) -> bool {
        now >= self.at
    }
}

/// Reads `grpc-timeout`: 1 to 8 digits and one of `H M S m u n`, as the gRPC wire protocol says.
///
/// Anything else is absent. The longest that can be said, 99,999,999 hours, is kept as it is.
#[must_use]
pub fn grpc_timeout(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let n: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(n * 3600),
        "M" => Duration::from_secs(n * 60),
        "S" => Duration::from_secs(n),
        "m" => Duration::from_millis(n),
        "u" => Duration::from_micros(n),
        "n" => Duration::from_nanos(n),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[allow(clippy::disallowed_methods, reason = "any instant will do, and std has no other way to make one")]
    fn now() -> Instant {
        Instant::now()
    }

    fn parse(value: &[u8]) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-timeout", http::HeaderValue::from_bytes(value).ok()?);
        grpc_timeout(&headers)
    }

    #[test]
    fn grpc_timeouts_are_read_and_bad_ones_are_absent() {
        assert_eq!(parse(b"1H"), Some(Duration::from_secs(3600)));
        assert_eq!(parse(b"100m"), Some(Duration::from_millis(100)));
        assert_eq!(parse(b"99999999n"), Some(Duration::from_nanos(99_999_999)));
        for bad in ["", "S", "1", "123456789S", "-1S", "+1S", "1.5S", "1s", "1 S", "\u{e9}S"] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn what_is_left_never_goes_below_zero() {
        let now = now();
        let deadline = Deadline::after(now, Duration::from_secs(1)).unwrap();
        assert_eq!(deadline.remaining(now + Duration::from_secs(2)), Duration::ZERO);
        assert!(deadline.is_past(now + Duration::from_secs(1)));
        assert!(!deadline.is_past(now));
        assert_eq!(Deadline::after(now, Duration::MAX), None);
    }

    #[test]
    fn a_request_has_the_deadline_of_its_extensions_or_of_its_grpc_header() {
        let now = now();
        let second = Duration::from_secs(1);
        let of =
            |request: &Request<()>| Deadline::of(request, || now).map(|deadline| deadline.remaining(now));
        let mut request = Request::new(());
        assert_eq!(of(&request), None);
        request.headers_mut().insert("grpc-timeout", http::HeaderValue::from_static("3S"));
        assert_eq!(of(&request), None, "not gRPC");
        *request.version_mut() = Version::HTTP_2;
        assert_eq!(of(&request), Some(3 * second));
        request.extensions_mut().insert(Deadline::at(now + second));
        assert_eq!(of(&request), Some(second));
    }

    proptest! {
        #[test]
        fn no_header_value_panics(value in proptest::collection::vec(any::<u8>(), 0..16)) {
            parse(&value);
        }

        #[test]
        fn every_valid_timeout_is_read(n in 0_u64..100_000_000, unit in "[HMSmun]") {
            let parsed = parse(format!("{n}{unit}").as_bytes()).unwrap();
            let nanos = match unit.as_str() {
                "H" => 3_600_000_000_000, "M" => 60_000_000_000, "S" => 1_000_000_000,
                "m" => 1_000_000, "u" => 1_000, _ => 1_u128,
            } * u128::from(n);
            prop_assert_eq!(parsed.as_nanos(), nanos);
        }
    }
}
