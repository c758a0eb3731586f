use http::HeaderMap;

/// How urgent a request is: 0 is the most urgent, 7 the least, as in RFC 9218; in the request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(u8);

impl Priority {
    /// Must be served as long as anything is.
    pub const CRITICAL: Self = Self(0);
    /// A person waits; the default of RFC 9218.
    pub const INTERACTIVE: Self = Self(3);
    /// Nobody waits: background work, as RFC 9218 defines urgency 7.
    pub const BACKGROUND: Self = Self(7);

    /// A priority of `urgency`; `None` above 7.
    #[must_use]
    pub fn new(urgency: u8) -> Option<Self> {
        (urgency <= 7).then_some(Self(urgency))
    }

    /// The urgency, 0 to 7.
    #[must_use]
    pub fn urgency(self) -> u8 {
        self.0
    }

    /// Reads `u` of the `Priority` header (RFC 9218, section 4.1); absent or malformed is `None`.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let members = headers.get("priority")?.to_str().ok()?.split(',');
        // In a structured dictionary the last of equal keys counts (RFC 8941, section 4.2.2).
        let urgency = members.filter_map(|member| member.trim().strip_prefix("u=")).next_back()?;
        Self::new(urgency.split(';').next()?.trim().parse().ok()?)
    }
}

impl Default for Priority {
    fn default() -> Self {
        Self::INTERACTIVE
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(value: &[u8]) -> Option<Priority> {
        let mut headers = HeaderMap::new();
        headers.insert("priority", http::HeaderValue::from_bytes(value).ok()?);
        Priority::from_headers(&headers)
    }

    #[test]
    fn urgency_is_read_from_the_header() {
        assert_eq!(parse(b"u=5, i"), Priority::new(5));
        assert_eq!(parse(b"i, u=0"), Some(Priority::CRITICAL));
        assert_eq!(parse(b"u=1,u=2;x=1"), Priority::new(2));
        for bad in ["", "i", "u", "u=8", "u=-1", "u=300", "v=1"] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_header_value_panics_or_leaves_the_range(value in proptest::collection::vec(any::<u8>(), 0..32)) {
            if let Some(priority) = parse(&value) {
                prop_assert!(priority.urgency() <= 7);
            }
        }
    }
}
