use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use dashpot_body::ReleaseAt;
use dashpot_core::{HttpClassify, Rejection};
use http::{HeaderMap, Request, Response};
use tower_layer::Layer;

use crate::{
    Handle, Limit, Policy,
    limiter::{Limiter, Queued},
    permit::now,
    policy::LittlesLaw,
    refusal::{self, Refuse},
    waiters::Wait,
};

/// Makes services that admit no more exchanges at once than their upstream can take.
///
/// All services of one layer and its clones share one limit, on however many routes.
pub struct LimitLayer<C = HttpClassify> {
    pub(crate) shared: Shared<C>,
}

/// What each service needs of its layer.
pub(crate) struct Shared<C> {
    pub(crate) limiter: Arc<Limiter>,
    pub(crate) classify: C,
    pub(crate) release_at: ReleaseAt,
    pub(crate) wait: Option<Wait>,
    pub(crate) refuse: Refuse,
}

impl LimitLayer {
    /// A layer that finds its limit by itself, with [`LittlesLaw`].
    #[must_use]
    pub fn new() -> Self {
        Self::with_policy(LittlesLaw::new())
    }

    /// A layer whose limit `policy` finds.
    #[must_use]
    pub fn with_policy(policy: impl Policy + 'static) -> Self {
        Self {
            shared: Shared {
                limiter: Arc::new(Limiter::new(Box::new(policy), now())),
                classify: HttpClassify,
                release_at: ReleaseAt::End,
                wait: None,
                refuse: Arc::new(refusal::default),
            },
        }
    }
}

impl<C> LimitLayer<C> {
    /// What counts as an overload, and what as a success to learn from. Default: [`HttpClassify`].
    #[must_use]
    pub fn classify<D>(self, classify: D) -> LimitLayer<D> {
        let Shared { limiter, release_at, wait, refuse, .. } = self.shared;
        LimitLayer { shared: Shared { limiter, classify, release_at, wait, refuse } }
    }

    /// When an exchange gives its slot back. Default: [`ReleaseAt::End`], since a model is at work until then.
    ///
    /// [`ReleaseAt::Head`] suits upstreams whose work is done when they answer, such as stores of files.
    #[must_use]
    pub fn release_at(mut self, release_at: ReleaseAt) -> Self {
        self.shared.release_at = release_at;
        self
    }

    /// Lets up to `max_waiting` requests wait for a slot, each up to `max_wait`. Default: nobody waits.
    ///
    /// A short spike is then served late instead of refused. What cannot be served in time, by `max_wait` or the
    /// request's [`Deadline`](dashpot_core::Deadline), is refused at once. They are served in turn, but for a backlog
    /// that stands: then whoever came last goes first.
    ///
    /// Waiting requests are held here, with their bodies, and not in the upstream's queue: half a second is plenty
    /// for a person, and `max_waiting` of about the limit is what is served in one service time.
    #[must_use]
    pub fn wait(mut self, max_waiting: usize, max_wait: Duration) -> Self {
        self.shared.wait = Some(Wait { max_waiting, max_wait });
        self
    }

    /// Makes the answer to a refused request from its headers. Default: 503 with a problem document (RFC 9457), for gRPC
    /// the status `UNAVAILABLE`; both with the time after which to try again.
    #[must_use]
    pub fn refusal(
        mut self,
        refuse: impl Fn(Rejection, &HeaderMap) -> Response<Bytes> + Send + Sync + 'static,
    ) -> Self {
        self.shared.refuse = Arc::new(refuse);
        self
    }

    /// Shows the limit, and lets an operator take it over.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::new(self.shared.limiter.clone())
    }
}

impl<S, C: Clone> Layer<S> for LimitLayer<C> {
    type Service = Limit<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        Limit::new(inner, self.shared.clone())
    }
}

impl Default for LimitLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<C: Clone> Clone for LimitLayer<C> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<C> fmt::Debug for LimitLayer<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimitLayer")
            .field("limiter", &self.shared.limiter)
            .field("release_at", &self.shared.release_at)
            .finish_non_exhaustive()
    }
}

impl<C> Shared<C> {
    /// Lets a request wait that finds no slot, if it may.
    pub(crate) fn queue<B>(&self, now: Instant, request: &Request<B>) -> Queued {
        let Some(wait) = &self.wait else { return Queued::Refused };
        self.limiter.queue(now, wait, request.extensions().get().copied())
    }

    /// The answer to a request that finds no slot.
    pub(crate) fn refuse(&self, now: Instant, headers: &HeaderMap) -> Response<Bytes> {
        let retry_after = self.limiter.refuse(now);
        let rejection = Rejection::new("limit", "the upstream has as much to do as it can take");
        (self.refuse)(rejection.with_retry_after(retry_after), headers)
    }
}

impl<C: Clone> Clone for Shared<C> {
    fn clone(&self) -> Self {
        Self {
            limiter: self.limiter.clone(),
            classify: self.classify.clone(),
            release_at: self.release_at,
            wait: self.wait,
            refuse: self.refuse.clone(),
        }
    }
}
