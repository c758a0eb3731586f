use std::time::Duration;

/// How one exchange ended, in the words that every layer shares.
///
/// | what happened | outcome |
/// |---|---|
/// | 2xx, and the body ended as its protocol says (`[DONE]`, `message_stop`, `grpc-status: 0`); 1xx, 3xx | [`Success`](Self::Success) |
/// | 500, 502, a reset, a refused connection; an error event or an abrupt end in mid-stream | [`Failure`](Self::Failure) |
/// | 503, 504, 529, `UNAVAILABLE`, `DEADLINE_EXCEEDED`, our own deadline before the first byte | [`Overload`](Self::Overload) |
/// | 429, `RESOURCE_EXHAUSTED` | [`RateLimited`](Self::RateLimited) |
/// | any other 4xx; the client left; nobody knows | [`Ignored`](Self::Ignored) |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The upstream did what it was asked.
    Success,
    /// The upstream is broken.
    Failure,
    /// The upstream has more work than it can do.
    Overload {
        /// How long it asked us to stay away.
        retry_after: Option<Duration>,
    },
    /// The caller has used up what it may use.
    RateLimited {
        /// `true`: an allowance is spent (a bill, a month) and waiting a little does not help.
        quota: bool,
        /// How long the upstream asked us to stay away.
        retry_after: Option<Duration>,
    },
    /// Says nothing about the upstream: neither success nor failure.
    Ignored,
}
