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
}

impl Default for Priority {
    fn default() -> Self {
        Self::INTERACTIVE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_urgent_sorts_first_and_nothing_is_beyond_the_least() {
        assert!(Priority::CRITICAL < Priority::default() && Priority::default() < Priority::BACKGROUND);
        assert_eq!(Priority::new(7), Some(Priority::BACKGROUND));
        assert_eq!(Priority::new(8), None);
    }
}
