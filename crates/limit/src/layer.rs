use std::{
    borrow::Cow,
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
    Handle, Head, KeyedHandle, Limit, Policy,
    budgets::Claim,
    limiter::{Limiter, Queued},
    limits::Limits,
    policy::LittlesLaw,
    rules::Rules,
    waiters::Wait,
};

/// Makes services that admit no more exchanges at once than their upstream can take.
///
/// All services of one layer and its clones share one limit, on however many routes.
pub struct LimitLayer<C = HttpClassify> {
    pub(crate) shared: Shared<C>,
}

/// Makes the answer to a request that is refused, from its headers.
type Refuse = Arc<dyn Fn(Rejection, &HeaderMap) -> Response<Bytes> + Send + Sync>;

/// What each service needs of its layer.
pub(crate) struct Shared<C> {
    pub(crate) limits: Arc<Limits>,
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

    /// A layer whose limit `policy` finds; if there are several, each with a clone of it.
    #[must_use]
    pub fn with_policy(policy: impl Policy + Clone + Sync + 'static) -> Self {
        Self {
            shared: Shared {
                limits: Arc::new(Limits::new(Rules::new(policy))),
                classify: HttpClassify,
                release_at: ReleaseAt::End,
                wait: None,
                refuse: Arc::new(|rejection, headers| rejection.response(headers).map(Bytes::from)),
            },
        }
    }
}

impl<C> LimitLayer<C> {
    /// What counts as an overload, and what as a success to learn from. Default: [`HttpClassify`].
    #[must_use]
    pub fn classify<D>(self, classify: D) -> LimitLayer<D> {
        let Shared { limits, release_at, wait, refuse, .. } = self.shared;
        LimitLayer { shared: Shared { limits, classify, release_at, wait, refuse } }
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

    /// Gives each key a limit of its own: for each upstream, model or tenant that `key` tells apart.
    ///
    /// Keys are compared as they are: `gpt` and `GPT` do not share. Requests without a key share the layer's own limit,
    /// and so do those whose key is longer than 256 bytes.
    ///
    /// No more than `capacity` keys have a limit at once, whatever clients send. For a new one makes room whichever was
    /// used longest ago of those that have nothing in flight; what it had learned is gone. One that has something in
    /// flight never goes, since two limits for one upstream would be twice the limit: if all have, the new key's
    /// requests share the layer's own limit, and each looks through all keys for one to let go.
    ///
    /// Take [handles](Self::keyed_handle) after this: it makes all limits anew.
    ///
    /// # Panics
    ///
    /// If `capacity` is 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use dashpot_limit::LimitLayer;
    ///
    /// let layer = LimitLayer::new().keyed(64, |head| head.header("x-model").map(Into::into));
    /// assert!(layer.keyed_handle().is_empty());
    /// ```
    #[must_use]
    pub fn keyed(
        self,
        capacity: usize,
        key: impl for<'a> Fn(&Head<'a>) -> Option<Cow<'a, str>> + Send + Sync + 'static,
    ) -> Self {
        self.with_rules(|rules| rules.set_keyed(capacity, key))
    }

    /// Guarantees partitions of the requests their shares of the limit, which matter only when it is reached.
    ///
    /// While there is room everybody is admitted. When the limit is reached, only requests of partitions that hold less
    /// than their share are: then more than the limit may be in flight for a while, up to twice as many, and one of each partition if these are more than the limit. It is the
    /// rule of Netflix' concurrency-limits. Requests of no partition, or of an unknown one, are sure of nothing.
    ///
    /// A share is rounded down to whole exchanges, but one at least, unless it is 0. With [`wait`](Self::wait), requests of
    /// a partition that has room in its share need not stand behind those of others; but the places to wait have no
    /// shares, and one partition can take all of them.
    ///
    /// With [`keyed`](Self::keyed), these are shares of each key's limit. Take [handles](Self::handle) after this: it makes
    /// all limits anew.
    ///
    /// # Panics
    ///
    /// If a share is not one of 0 to 1, if they sum to more than 1, if two names are the same, or if there are more than 63.
    ///
    /// # Examples
    ///
    /// ```
    /// use dashpot_limit::LimitLayer;
    ///
    /// let layer = LimitLayer::new().partitions([("interactive", 0.8), ("batch", 0.2)], |head| {
    ///     let is_batch = head.uri().path().starts_with("/v1/batches");
    ///     Some(if is_batch { "batch" } else { "interactive" })
    /// });
    /// assert_eq!(&*layer.handle().partitions()[0].name, "interactive");
    /// ```
    #[must_use]
    pub fn partitions<N: Into<Arc<str>>>(
        self,
        shares: impl IntoIterator<Item = (N, f64)>,
        partition: impl for<'a> Fn(&Head<'a>) -> Option<&'a str> + Send + Sync + 'static,
    ) -> Self {
        self.with_rules(|rules| rules.set_partitions(shares, partition))
    }

    /// Admits no more than `budget` tokens at once, beside the limit of exchanges.
    ///
    /// A model server's memory holds so many tokens, however few requests they come in. `cost` says how many a request
    /// takes, at most: those of its prompt and those that it may be answered with. It is admitted if both budgets have
    /// room, and gives back both at once. One that costs more than the budget is admitted when no others' tokens are in
    /// flight.
    ///
    /// The cost also tells the policy how long a prompt is, which it otherwise takes from the size of the body.
    /// With [`keyed`](Self::keyed), each key has this budget. Partitions have shares of the exchanges, not of the tokens.
    /// Take [handles](Self::handle) after this: it makes all limits anew.
    ///
    /// # Panics
    ///
    /// If `budget` is 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use dashpot_limit::LimitLayer;
    ///
    /// // Four bytes are about a token.
    /// let cost = |bytes: u64| u32::try_from(bytes / 4).unwrap_or(u32::MAX);
    /// let layer = LimitLayer::new().tokens(500_000, move |head| cost(head.body_size().lower()));
    /// assert_eq!(layer.handle().stats().tokens.unwrap().budget, 500_000);
    /// ```
    #[must_use]
    pub fn tokens(self, budget: u32, cost: impl Fn(&Head<'_>) -> u32 + Send + Sync + 'static) -> Self {
        self.with_rules(|rules| rules.set_tokens(budget, cost))
    }

    fn with_rules(mut self, change: impl FnOnce(&mut Rules)) -> Self {
        let mut rules = self.shared.limits.rules.clone();
        change(&mut rules);
        self.shared.limits = Arc::new(Limits::new(rules));
        self
    }

    /// Shows the limits of all keys, each of which an operator can take over.
    #[must_use]
    pub fn keyed_handle(&self) -> KeyedHandle {
        KeyedHandle::new(self.shared.limits.clone())
    }

    /// Shows the limit, and lets an operator take it over. Of keyed limits this is the one that requests without a key
    /// share.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::new(self.shared.limits.default.clone())
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
            .field("limiter", &self.shared.limits.default)
            .field("release_at", &self.shared.release_at)
            .finish_non_exhaustive()
    }
}

impl<C> Shared<C> {
    /// Lets a request wait that finds no slot, if it may.
    pub(crate) fn queue<B>(
        &self,
        limiter: &Arc<Limiter>,
        claim: Claim,
        now: Instant,
        request: &Request<B>,
    ) -> Queued {
        let Some(wait) = &self.wait else { return Queued::Refused };
        limiter.queue(now, wait, request.extensions().get().copied(), claim)
    }

    /// The answer to a request that finds no slot.
    pub(crate) fn refuse(
        &self,
        limiter: &Limiter,
        claim: Claim,
        now: Instant,
        headers: &HeaderMap,
    ) -> Response<Bytes> {
        let retry_after = limiter.refuse(now, claim);
        (self.refuse)(rejection(retry_after), headers)
    }
}

/// A slot may be free after this time.
pub(crate) fn rejection(retry_after: Duration) -> Rejection {
    Rejection::new("limit", "the upstream has as much to do as it can take").with_retry_after(retry_after)
}

impl<C: Clone> Clone for Shared<C> {
    fn clone(&self) -> Self {
        Self {
            limits: self.limits.clone(),
            classify: self.classify.clone(),
            release_at: self.release_at,
            wait: self.wait,
            refuse: self.refuse.clone(),
        }
    }
}
