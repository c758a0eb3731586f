use std::time::Instant;

use http::Request;

/// When a request came in; in its extensions.
///
/// Whichever layer of ours sees it first writes it, so that time in a queue counts for those further in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Arrival(Instant);

impl Arrival {
    /// When `request` came in: what its extensions say, or else `now`, which they say from here on.
    pub fn of<B>(request: &mut Request<B>, now: Instant) -> Instant {
        let extensions = request.extensions_mut();
        if let Some(Self(came)) = extensions.get() {
            return *came;
        }
        extensions.insert(Self(now));
        now
    }
}
