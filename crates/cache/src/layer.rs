use std::{fmt, sync::Arc, time::Duration};

use dashpot_core::{Embedding, Tenant};
use http::request::Parts;
use tokio::sync::Semaphore;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    Cache, Handle, Index, Keep, Leases, Similar, Store,
    flight::{BoxError, Flights},
    lease::AnyLeases,
    removals::Removals,
    similar::Tier,
    stats::Counters,
};

/// Makes services that answer again what was answered before.
///
/// All services of one layer and its clones share one store, the calls that are under way, and one [`Handle`].
pub struct CacheLayer<St> {
    pub(crate) shared: Arc<Shared<St>>,
}

type TenantOf = dyn Fn(&Parts) -> Option<Tenant> + Send + Sync;
type TagsOf = dyn Fn(&Parts) -> Vec<Arc<str>> + Send + Sync;

/// What outlives each exchange.
pub(crate) struct Shared<St> {
    pub(crate) store: Arc<St>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) flights: Flights,
    pub(crate) removals: Arc<Removals>,
    pub(crate) similar: Option<Arc<dyn Tier>>,
    pub(crate) leases: Option<Arc<dyn AnyLeases>>,
    /// Places for answers that are being kept.
    pub(crate) keeping: Arc<Semaphore>,
    pub(crate) rules: Rules,
}

/// So many answers wait for the store at once, each with its bytes: more are let go.
const KEEPING: usize = 1024;

#[derive(Clone)]
pub(crate) struct Rules {
    pub(crate) tenant: Arc<TenantOf>,
    pub(crate) tags: Arc<TagsOf>,
    pub(crate) fresh: Duration,
    pub(crate) while_revalidate: Duration,
    pub(crate) if_error: Duration,
    pub(crate) max_temperature: f64,
    pub(crate) keep: Keep,
    pub(crate) max_request_bytes: usize,
    pub(crate) max_answer_bytes: usize,
    pub(crate) budget: Duration,
    pub(crate) lease_wait: Duration,
    pub(crate) stream_lease_wait: Duration,
    pub(crate) similar_budget: Duration,
    pub(crate) pace: Option<Duration>,
    pub(crate) finish: bool,
}

impl<St: Store> CacheLayer<St> {
    /// A layer that keeps answers in `store`, each for the tenant that `tenant` says a request is of. For those of whom it
    /// says `None`, nothing is kept and nothing is looked for.
    ///
    /// No answer of one tenant is ever given to another.
    #[must_use]
    pub fn new(store: St, tenant: impl Fn(&Parts) -> Option<Tenant> + Send + Sync + 'static) -> Self {
        let rules = Rules {
            tenant: Arc::new(tenant),
            tags: Arc::new(|_| Vec::new()),
            fresh: Duration::from_secs(3600),
            while_revalidate: Duration::ZERO,
            if_error: Duration::ZERO,
            max_temperature: 1.0,
            keep: Keep::default(),
            max_request_bytes: 1 << 20,
            max_answer_bytes: 1 << 20,
            budget: Duration::from_millis(50),
            lease_wait: Duration::from_secs(30),
            stream_lease_wait: Duration::from_secs(30),
            similar_budget: Duration::from_millis(200),
            pace: None,
            finish: false,
        };
        let (store, counters, flights) = (Arc::new(store), Arc::default(), Flights::default());
        let (removals, keeping) = (Arc::default(), Arc::new(Semaphore::new(KEEPING)));
        let (similar, leases) = (None, None);
        let shared = Shared { store, counters, flights, removals, similar, leases, keeping, rules };
        Self { shared: Arc::new(shared) }
    }

    /// A layer whose answers **everybody shares**: for one tenant only, or for questions that hold no secrets and answers
    /// that depend on no one.
    ///
    /// # Panics
    /// Never: the tenant's name is a constant.
    #[must_use]
    pub fn shared_by_all(store: St) -> Self {
        let everybody = Tenant::new("everybody").expect("it is neither empty nor long");
        Self::new(store, move |_| Some(everybody.clone()))
    }

    /// What the caches of this layer amount to, and its manual controls; taken when the layer is made up.
    #[must_use]
    pub fn handle(&self) -> Handle<St> {
        Handle::new(self.shared.clone())
    }
}

impl<St> CacheLayer<St> {
    /// How long an answer is fresh. Default: an hour. Each is fresh for up to a tenth less, so that those of one moment do
    /// not all end in another.
    #[must_use]
    pub fn ttl(self, ttl: Duration) -> Self {
        self.ruled(|rules| rules.fresh = ttl)
    }

    /// For how long after that it is still given away, while the upstream is asked for another one (RFC 5861). Default: not
    /// at all.
    #[must_use]
    pub fn stale_while_revalidate(self, time: Duration) -> Self {
        self.ruled(|rules| rules.while_revalidate = time)
    }

    /// For how long after that it is still given away when the upstream fails: an error of the call, or a status of 500 and
    /// above (RFC 5861). Default: not at all.
    #[must_use]
    pub fn stale_if_error(self, time: Duration) -> Self {
        self.ruled(|rules| rules.if_error = time)
    }

    /// Requests with a higher `temperature` ask for variety, and pass by; as those do that want several answers at once (`n`).
    /// Default: 1.0, the APIs' own: a request that says nothing counts as that, and not as 0.
    ///
    /// # Panics
    /// If it is not a number.
    #[must_use]
    pub fn max_temperature(self, temperature: f64) -> Self {
        assert!(!temperature.is_nan(), "a temperature is a number");
        self.ruled(|rules| rules.max_temperature = temperature)
    }

    /// Which answers are kept beside those that ended by themselves. Default: none.
    #[must_use]
    pub fn keep(self, keep: Keep) -> Self {
        self.ruled(|rules| rules.keep = keep)
    }

    /// Answers questions of the last user's too that were asked in other words, everything else in the request being the
    /// same. Default: only the same words will do.
    #[must_use]
    pub fn similar<E, Ix>(self, similar: Similar<E, Ix>) -> Self
    where
        E: Service<Vec<Arc<str>>, Response = Vec<Option<Embedding>>> + Clone + Send + Sync + 'static,
        E::Future: Send,
        E::Error: Into<BoxError>,
        Ix: Index,
    {
        self.with(|shared| shared.similar = Some(Arc::new(similar)))
    }

    /// Makes equal questions at the same time one call in all processes that share the store, whose leases these are: one clone
    /// of it is the store, another is given here. Default: in each process one.
    ///
    /// Whoever finds that another process is asking waits for its answer to be kept, and so for all of it: of a stream, the
    /// first token comes with the other's last. If the other dies, another takes over after three seconds; if those whom it
    /// asks for leave, at once. If its answer turns out not to be one to keep, or the store fails, all who wait make calls of
    /// their own. A miss asks the store once more, within the [`budget`](Self::budget); one call of each process that
    /// waits looks again after 10 ms, and then less and less often, at last every 100 ms.
    #[must_use]
    pub fn leases(self, leases: impl Leases) -> Self {
        self.with(|shared| shared.leases = Some(Arc::new(leases)))
    }

    /// How long a request waits for the answer of another process, but at most half of what is left of its
    /// [`Deadline`](dashpot_core::Deadline); then it makes a call of its own. Default: 30 s.
    #[must_use]
    pub fn lease_wait(self, time: Duration) -> Self {
        self.ruled(|rules| rules.lease_wait = time)
    }

    /// The same for requests that want a stream. With zero they have nothing to do with leases, and their first token as soon
    /// as if there were no other process. Default: 30 s.
    #[must_use]
    pub fn stream_lease_wait(self, time: Duration) -> Self {
        self.ruled(|rules| rules.stream_lease_wait = time)
    }

    /// How long a request waits for the embedder, the index and the verifier, and the store with them; what is not found by
    /// then is a miss. Default: 200 ms.
    #[must_use]
    pub fn similar_budget(self, time: Duration) -> Self {
        self.ruled(|rules| rules.similar_budget = time)
    }

    /// Longer requests pass by. Default: 1 MiB.
    #[must_use]
    pub fn max_request_bytes(self, bytes: usize) -> Self {
        self.ruled(|rules| rules.max_request_bytes = bytes)
    }

    /// Longer answers are not kept. While others listen to a call too, so much of its answer is held for the slowest of them;
    /// one that is further behind is cut off. Default: 1 MiB.
    #[must_use]
    pub fn max_answer_bytes(self, bytes: usize) -> Self {
        self.ruled(|rules| rules.max_answer_bytes = bytes)
    }

    /// How long a request waits for the store; what is not found by then is a miss. Default: 50 ms.
    #[must_use]
    pub fn budget(self, time: Duration) -> Self {
        self.ruled(|rules| rules.budget = time)
    }

    /// The time between two events of a kept answer that is given as a stream, whose text comes in words then, as if it were
    /// written. Default: none, all of it comes at once.
    #[must_use]
    pub fn pace(self, gap: Duration) -> Self {
        self.ruled(|rules| rules.pace = (!gap.is_zero()).then_some(gap))
    }

    /// Lets the upstream finish an answer that nobody listens to any more, so that it is there for the next. Default: it is
    /// let go. After ten minutes it is let go in any case.
    #[must_use]
    pub fn finish_alone(self) -> Self {
        self.ruled(|rules| rules.finish = true)
    }

    /// The words by which an answer to a request can be removed together with others.
    #[must_use]
    pub fn tags(self, tags: impl Fn(&Parts) -> Vec<Arc<str>> + Send + Sync + 'static) -> Self {
        self.ruled(|rules| rules.tags = Arc::new(tags))
    }

    /// Takes the place of another layer before the same store, whose calls may still be under way: what is removed by a
    /// handle of either, no call of the other brings back. Only for what is made of this layer from now on; and who asks the
    /// other after a removal may still join a call of it from before. Default: only its own calls are known.
    #[must_use]
    pub fn in_place_of<Other>(self, other: &CacheLayer<Other>) -> Self {
        self.with(|shared| shared.removals = other.shared.removals.clone())
    }

    fn ruled(self, change: impl FnOnce(&mut Rules)) -> Self {
        self.with(|shared| change(&mut shared.rules))
    }

    fn with(self, change: impl FnOnce(&mut Shared<St>)) -> Self {
        let mut shared = (*self.shared).clone();
        change(&mut shared);
        Self { shared: Arc::new(shared) }
    }
}

/// The same store, counts and calls.
impl<St> Clone for Shared<St> {
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            counters: self.counters.clone(),
            flights: self.flights.clone(),
            removals: self.removals.clone(),
            similar: self.similar.clone(),
            leases: self.leases.clone(),
            keeping: self.keeping.clone(),
            rules: self.rules.clone(),
        }
    }
}

impl<S, St> Layer<S> for CacheLayer<St> {
    type Service = Cache<S, St>;

    fn layer(&self, inner: S) -> Cache<S, St> {
        Cache::new(inner, self.shared.clone())
    }
}

impl<St> Clone for CacheLayer<St> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<St> fmt::Debug for CacheLayer<St> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheLayer").field("rules", &self.shared.rules).finish_non_exhaustive()
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules")
            .field("fresh", &self.fresh)
            .field("while_revalidate", &self.while_revalidate)
            .field("if_error", &self.if_error)
            .field("max_temperature", &self.max_temperature)
            .field("keep", &self.keep)
            .field("max_request_bytes", &self.max_request_bytes)
            .field("max_answer_bytes", &self.max_answer_bytes)
            .field("budget", &self.budget)
            .field("lease_wait", &self.lease_wait)
            .field("stream_lease_wait", &self.stream_lease_wait)
            .field("similar_budget", &self.similar_budget)
            .field("pace", &self.pace)
            .field("finish", &self.finish)
            .finish_non_exhaustive()
    }
}
