use std::{fmt, sync::Arc};

use dashpot_wire::dialect::Dialect;
use tower_layer::Layer;

use crate::{Handle, Observer, SsePassthrough, handle::Counters};

/// Makes services that forward event streams byte for byte, and watch them.
///
/// All services of one layer and its clones share one [`Handle`] and one observer.
pub struct SsePassthroughLayer<O = ()> {
    config: Config,
    shared: Arc<Shared<O>>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    pub(crate) dialect: Option<Dialect>,
    pub(crate) harden_headers: bool,
}

/// What outlives each stream.
pub(crate) struct Shared<O> {
    pub(crate) counters: Arc<Counters>,
    pub(crate) observer: O,
}

impl SsePassthroughLayer {
    /// A layer that finds out the dialect by itself, hardens headers, and tells nobody.
    #[must_use]
    pub fn new() -> Self {
        Self {
            config: Config { dialect: None, harden_headers: true },
            shared: Arc::new(Shared { counters: Arc::default(), observer: () }),
        }
    }
}

impl<O> SsePassthroughLayer<O> {
    /// Takes every stream for one of `dialect`.
    ///
    /// Without this, a [`Dialect`] in the request's extensions decides, else the request's path
    /// ([`Dialect::from_path`]). Where neither says anything a stream is plain server-sent events, which have no marker
    /// for their end, and whose first event counts as their first content.
    #[must_use]
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.config.dialect = Some(dialect);
        self
    }

    /// Whether event streams get headers that keep proxies from holding them back. Default: `true`.
    ///
    /// `Cache-Control` gains `no-cache, no-transform` beside what it already says: no cache keeps the stream, and no
    /// proxy compresses it, which would collect events in its compressor. `X-Accel-Buffering: no` does the same for
    /// nginx. `Content-Length` stays, since the bytes stay the same.
    #[must_use]
    pub fn harden_headers(mut self, harden: bool) -> Self {
        self.config.harden_headers = harden;
        self
    }

    /// Tells `observer` about each stream, instead of the one before.
    #[must_use]
    pub fn observer<P: Observer>(self, observer: P) -> SsePassthroughLayer<P> {
        let counters = self.shared.counters.clone();
        SsePassthroughLayer { config: self.config, shared: Arc::new(Shared { counters, observer }) }
    }

    /// What the streams of this layer amount to.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::new(self.shared.counters.clone())
    }
}

impl<S, O> Layer<S> for SsePassthroughLayer<O> {
    type Service = SsePassthrough<S, O>;

    fn layer(&self, inner: S) -> Self::Service {
        SsePassthrough::new(inner, self.config, self.shared.clone())
    }
}

impl Default for SsePassthroughLayer {
    fn default() -> Self {
        Self::new()
    }
}

// Not derived: `O` need not be `Clone`.
impl<O> Clone for SsePassthroughLayer<O> {
    fn clone(&self) -> Self {
        Self { config: self.config, shared: self.shared.clone() }
    }
}

impl<O> fmt::Debug for SsePassthroughLayer<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SsePassthroughLayer").field("config", &self.config).finish_non_exhaustive()
    }
}
