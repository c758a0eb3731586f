use std::{
    borrow::Cow,
    fmt,
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use dashpot_body::Head;
use dashpot_core::{Keyed, Rejection};
use http::{HeaderMap, Method, Request, Response};
use http_body::Body;
use tokio::sync::watch;

use crate::{
    Observer,
    machine::Machine,
    policy::{Budget, Fixed, Moment, Policy},
    rules::Rules,
    starter::Starter,
    upstream::Upstream,
};

pub(crate) type KeyOf = dyn for<'a> Fn(&Head<'a>) -> Option<Cow<'a, str>> + Send + Sync;
pub(crate) type Wants = dyn for<'a> Fn(&Head<'a>) -> bool + Send + Sync;
pub(crate) type Refuse = dyn Fn(Rejection, &HeaderMap) -> Response<Bytes> + Send + Sync;

/// How upstreams are made, and which of them a request belongs to.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) starter: Arc<dyn Starter>,
    pub(crate) rules: Rules,
    pub(crate) while_cold: WhileCold,
    pub(crate) policy: Arc<dyn Fn() -> Box<dyn Policy> + Send + Sync>,
    pub(crate) budget: Option<Budget>,
    pub(crate) keyed: Option<(usize, Arc<KeyOf>)>,
    pub(crate) refuse: Arc<Refuse>,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) origin: Moment,
}

/// What becomes of requests that come while it is cold.
#[derive(Clone)]
pub(crate) struct WhileCold {
    pub(crate) max_waiting: u32,
    pub(crate) max_wait: Duration,
    /// Says that it is not ready, so that whoever chooses among services takes another.
    pub(crate) is_pending: bool,
    /// Whose answers begin at once, with a comment each time.
    pub(crate) loading: Option<(Duration, Arc<Wants>)>,
}

impl Plan {
    pub(crate) fn new(starter: Arc<dyn Starter>) -> Self {
        Self {
            starter,
            rules: Rules::default(),
            while_cold: WhileCold {
                max_waiting: 64,
                max_wait: Duration::from_secs(30),
                is_pending: false,
                loading: None,
            },
            policy: Arc::new(|| Box::new(Fixed::new(Duration::from_secs(10 * 60)))),
            budget: None,
            keyed: None,
            refuse: Arc::new(|rejection, headers| rejection.response(headers).map(Bytes::from)),
            observer: None,
            origin: this_moment(),
        }
    }

    pub(crate) fn machine(&self) -> Machine {
        // Random, so that instances that fail together do not come back together.
        let seed = RandomState::new().hash_one(0);
        let (rules, policy) = (Arc::new(self.rules.clone()), (self.policy)());
        Machine::new(rules, policy, self.budget.clone(), self.origin, seed)
    }
}

/// The only look at the clock on the wall: times of day are counted on from here.
#[allow(clippy::disallowed_methods, reason = "a schedule goes by the clock on the wall")]
fn this_moment() -> Moment {
    let unix = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Moment { at: crate::permit::now(), unix }
}

/// All upstreams of a layer.
pub(crate) struct Upstreams {
    pub(crate) plan: Plan,
    /// Of all requests without a key.
    pub(crate) default: Arc<Upstream>,
    pub(crate) keyed: Option<Keyed<Upstream>>,
    /// Their tasks end when this is dropped.
    alive: watch::Sender<()>,
}

impl Upstreams {
    pub(crate) fn new(plan: Plan) -> Self {
        let alive = watch::Sender::new(());
        let keyed = plan.keyed.as_ref().map(|&(capacity, _)| Keyed::new(capacity));
        let default = Upstream::new(&plan, "", alive.subscribe());
        Self { plan, default, keyed, alive }
    }

    /// The upstream that a request belongs to, if it is not the layer's own.
    #[inline]
    pub(crate) fn own<B: Body>(&self, request: &Request<B>) -> Result<Option<Arc<Upstream>>, Rejection> {
        let (Some(keyed), Some((_, key_of))) = (&self.keyed, &self.plan.keyed) else { return Ok(None) };
        let key = key_of(&Head::of(request));
        let key = key.filter(|key| !key.is_empty() && key.len() <= Keyed::<Upstream>::MAX_KEY_LEN);
        let Some(key) = key else { return Ok(None) };
        let upstream = self.of(keyed, &key);
        upstream.map(Some).ok_or(const { Rejection::new("warm", "too many models are warm at once") })
    }

    /// The upstream of a key, made if there is none and room for it.
    pub(crate) fn of(&self, keyed: &Keyed<Upstream>, key: &str) -> Option<Arc<Upstream>> {
        keyed.get_or_make(key, || Upstream::new(&self.plan, key, self.alive.subscribe()))
    }

    pub(crate) fn refuse<B>(&self, rejection: Rejection, request: &Request<B>) -> Response<Bytes> {
        let response = (self.plan.refuse)(rejection, request.headers());
        // Over HTTP/2 a body would be sent whatever was asked.
        if request.method() == Method::HEAD { response.map(|_| Bytes::new()) } else { response }
    }
}

impl fmt::Debug for Upstreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstreams")
            .field("rules", &self.plan.rules)
            .field("default", &self.default)
            .finish_non_exhaustive()
    }
}
