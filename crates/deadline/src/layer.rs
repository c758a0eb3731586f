use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use dashpot_core::Rejection;
use http::{HeaderName, Response};
use tower_layer::Layer;

use crate::DeadlineService;

/// Makes services whose exchanges are over in time, or cut off.
#[derive(Clone)]
pub struct DeadlineLayer {
    pub(crate) rules: Arc<Rules>,
}

type Refuse = dyn Fn(Rejection, Protocol) -> Response<Bytes> + Send + Sync;

/// How long exchanges may take, and what becomes of those that take longer.
#[derive(Clone)]
pub(crate) struct Rules {
    pub(crate) total: Option<Duration>,
    pub(crate) first_content: Option<Duration>,
    pub(crate) gap: Option<Duration>,
    pub(crate) header: Option<HeaderName>,
    pub(crate) late: Late,
    pub(crate) refuse: Arc<Refuse>,
}

/// What a request speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Any HTTP.
    Http,
    /// gRPC, by its content type.
    Grpc,
}

/// What becomes of an answer whose head is out when a clock runs out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Late {
    /// A stream of events ends with an error event in its dialect, if it is between two events, and a gRPC answer with
    /// trailers that say `DEADLINE_EXCEEDED`. Any other answer is cut off.
    #[default]
    Say,
    /// It is cut off: the body gives an error, which resets the stream (HTTP/2) or closes the connection (HTTP/1.1).
    CutOff,
}

impl DeadlineLayer {
    /// A layer without clocks of its own: only the deadlines that requests state are kept.
    #[must_use]
    pub fn new() -> Self {
        let refuse = |rejection: Rejection, protocol: Protocol| match protocol {
            Protocol::Http => rejection.problem().map(Bytes::from),
            Protocol::Grpc => rejection.grpc().map(|()| Bytes::new()),
        };
        Self {
            rules: Arc::new(Rules {
                total: None,
                first_content: None,
                gap: None,
                header: None,
                late: Late::Say,
                refuse: Arc::new(refuse),
            }),
        }
    }

    /// The whole exchange, to the end of its body, takes no longer than this. Default: no bound.
    #[must_use]
    pub fn total(self, time: Duration) -> Self {
        self.with(|rules| rules.total = Some(time))
    }

    /// The first content is there within this time. Default: no bound.
    ///
    /// Where `dashpot-sse` stands further in, that is the first token of a stream; else the first event that is no ping,
    /// and of other answers the first byte.
    #[must_use]
    pub fn first_content(self, time: Duration) -> Self {
        self.with(|rules| rules.first_content = Some(time))
    }

    /// Within a stream the next event comes within this time; comments and pings are none, and of answers that are no
    /// streams of events each piece counts. Default: no bound.
    ///
    /// It runs only while the upstream is waited for: a client that reads slowly stops it.
    #[must_use]
    pub fn gap(self, time: Duration) -> Self {
        self.with(|rules| rules.gap = Some(time))
    }

    /// A request's header in which clients may ask for less time: a decimal number of seconds, or of milliseconds if the
    /// name ends in `-ms`. Default: none; `grpc-timeout` is always kept. Whichever is soonest counts.
    #[must_use]
    pub fn header(self, name: HeaderName) -> Self {
        self.with(|rules| rules.header = Some(name))
    }

    /// What becomes of an answer whose head is out. Default: [`Late::Say`].
    #[must_use]
    pub fn late(self, late: Late) -> Self {
        self.with(|rules| rules.late = late)
    }

    /// Makes the answer to a request whose answer did not begin in time. Default: 504 with a
    /// problem document (RFC 9457), for gRPC the status `DEADLINE_EXCEEDED`.
    #[must_use]
    pub fn refusal(
        self,
        refuse: impl Fn(Rejection, Protocol) -> Response<Bytes> + Send + Sync + 'static,
    ) -> Self {
        self.with(|rules| rules.refuse = Arc::new(refuse))
    }

    fn with(mut self, change: impl FnOnce(&mut Rules)) -> Self {
        change(Arc::make_mut(&mut self.rules));
        self
    }
}

impl Default for DeadlineLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = DeadlineService<S>;

    fn layer(&self, inner: S) -> DeadlineService<S> {
        DeadlineService::new(inner, self.rules.clone())
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules")
            .field("total", &self.total)
            .field("first_content", &self.first_content)
            .field("gap", &self.gap)
            .field("header", &self.header)
            .field("late", &self.late)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for DeadlineLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DeadlineLayer").field(&self.rules).finish()
    }
}
