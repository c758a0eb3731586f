use std::fmt;

use http::{HeaderName, Request};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Tells our ids from those of servers that have their own.
const PREFIX: &str = "dp-";

/// The id of an event: which stream, and its number there, counted from 1. Written `dp-STREAM:NUMBER`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct EventId {
    pub(super) stream: u128,
    pub(super) number: u64,
}

impl EventId {
    /// Longer than any.
    pub(super) const MAX_LEN: usize = PREFIX.len() + 32 + 1 + 20;

    /// The last id that the client of this request has seen, if it is one of ours.
    pub(super) fn last_seen<B>(request: &Request<B>) -> Option<Self> {
        let mut values = request.headers().get_all(LAST_EVENT_ID).iter();
        let (value, None) = (values.next()?, values.next()) else { return None };
        Self::parse(value.to_str().ok()?)
    }

    /// Only what `Display` writes.
    fn parse(text: &str) -> Option<Self> {
        let (stream, number) = text.strip_prefix(PREFIX)?.split_once(':')?;
        let id = Self { stream: u128::from_str_radix(stream, 16).ok()?, number: number.parse().ok()? };
        // No other case, sign or leading zeros.
        (id.to_string() == text).then_some(id)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{:032x}:{}", self.stream, self.number)
    }
}

/// A name for a stream that nobody can guess; `None` if the system has no randomness to give.
pub(super) fn random_stream() -> Option<u128> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(u128::from_ne_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ids_as_we_write_them_are_ours() {
        let id = EventId { stream: 0xab, number: 7 };
        let text = id.to_string();
        assert_eq!(text, "dp-000000000000000000000000000000ab:7");
        assert!(EventId::parse(&text) == Some(id));
        let longest = EventId { stream: u128::MAX, number: u64::MAX };
        assert_eq!(longest.to_string().len(), EventId::MAX_LEN);
        assert!(EventId::parse(&longest.to_string()) == Some(longest));
        for other in [
            "",
            "7",
            "dp-",
            "dp-ab:7",
            "000000000000000000000000000000ab:7",
            "dp-000000000000000000000000000000AB:7",
            "dp-000000000000000000000000000000ab:07",
            "dp-000000000000000000000000000000ab:+7",
            "dp-000000000000000000000000000000ab:-7",
            "dp-000000000000000000000000000000ab:7 ",
            "dp-000000000000000000000000000000ab:",
            "dp-+00000000000000000000000000000ab:7",
            "dp-000000000000000000000000000000ab:18446744073709551616",
        ] {
            assert!(EventId::parse(other).is_none(), "{other}");
        }
    }

    #[test]
    fn an_id_that_is_said_twice_is_none() {
        let id = EventId { stream: 1, number: 2 }.to_string();
        let once = Request::get("/").header("last-event-id", &id);
        assert!(EventId::last_seen(&once.body(()).unwrap()).is_some());
        let twice = Request::get("/").header("last-event-id", &id).header("last-event-id", &id);
        assert!(EventId::last_seen(&twice.body(()).unwrap()).is_none());
    }
}
