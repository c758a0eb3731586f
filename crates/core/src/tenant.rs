use std::{fmt, sync::Arc};

/// Who a request is for; in the request's extensions. Compared byte for byte.
///
/// Often made from a credential, so `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tenant(Arc<str>);

impl Tenant {
    /// The longest name, in bytes: a name comes from the network and is kept as a key.
    pub const MAX_LEN: usize = 256;

    /// A tenant of this name; `None` if it is empty or longer than [`MAX_LEN`](Self::MAX_LEN).
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        (1..=Self::MAX_LEN).contains(&name.len()).then(|| Self(name.into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tenant(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_compared_exactly_and_not_shown() {
        assert_eq!(Tenant::new(""), None);
        assert_eq!(Tenant::new(&"x".repeat(257)), None);
        assert!(Tenant::new(&"x".repeat(256)).is_some());
        assert_ne!(Tenant::new("Acme"), Tenant::new("acme"));
        assert_ne!(Tenant::new("acme "), Tenant::new("acme"));
        assert_eq!(format!("{:?}", Tenant::new("secret").unwrap()), "Tenant(..)");
    }
}
