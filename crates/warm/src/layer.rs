use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use dashpot_body::Head;
use dashpot_core::Rejection;
use http::{HeaderMap, Response};
use tower_layer::Layer;

use crate::{
    CloneReplay, Handle, HttpIsCold, KeyedHandle, NoReplay, Observer, Warm,
    policy::{Budget, Policy},
    rules::{AGES, Ramp, Rules},
    starter::Starter,
    upstreams::{Plan, Upstreams, WhileCold},
};

/// Makes services that hold requests until their upstream is warm, and keep it so.
///
/// All services of one layer and its clones share their upstreams, on however many routes. Each upstream has a task while
/// it is not cold; it runs in the runtime of the request, or the handle's call, that needed it first.
#[derive(Clone)]
pub struct WarmLayer<C = HttpIsCold, R = NoReplay> {
    upstreams: Arc<Upstreams>,
    is_cold: C,
    replay: R,
}

impl WarmLayer {
    /// A layer whose upstreams this starts, with the defaults that each method names.
    #[must_use]
    pub fn new(starter: impl Starter + 'static) -> Self {
        let upstreams = Arc::new(Upstreams::new(Plan::new(Arc::new(starter))));
        Self { upstreams, is_cold: HttpIsCold, replay: NoReplay }
    }
}

/// What becomes of requests while it is cold. Take [handles](Self::handle) after all of these: each makes the upstreams anew.
impl<C, R> WarmLayer<C, R> {
    /// So many requests may wait for an upstream at once, for so long, or until their
    /// [`Deadline`](dashpot_core::Deadline). Others are refused with the time after which it is likely to be ready, and so
    /// are those whose deadline even the shortest of the recent starts would not meet. Default: 64, 30 seconds.
    #[must_use]
    pub fn hold(self, max_waiting: u32, max_wait: Duration) -> Self {
        self.with_cold(|cold| (cold.max_waiting, cold.max_wait) = (max_waiting, max_wait.min(AGES)))
    }

    /// None waits: each is refused, and the first one starts the upstream.
    #[must_use]
    pub fn refuse_while_cold(self) -> Self {
        self.hold(0, Duration::ZERO)
    }

    /// Services are not ready while their upstream is cold, and their first poll starts it: for a balancer that then takes
    /// another. A service in front of which nothing chooses makes everything behind it wait. Not for
    /// [keyed](Self::keyed) layers, since readiness has no key.
    #[must_use]
    pub fn pending_while_cold(self) -> Self {
        self.with_cold(|cold| cold.is_pending = true)
    }

    /// Answers to requests of which `wants` says so begin at once, as an event stream with a comment now and each time
    /// `every` has passed, so that nobody on the way takes the connection for dead. Such an answer has said 200 before it
    /// knows: what comes instead of events is told in an event `error`. Its request accepts no coding, since the head has
    /// named none. Default: none.
    ///
    /// # Panics
    ///
    /// If `every` is zero.
    #[must_use]
    pub fn loading_comments(
        self,
        every: Duration,
        wants: impl for<'a> Fn(&Head<'a>) -> bool + Send + Sync + 'static,
    ) -> Self {
        assert!(!every.is_zero(), "comments without a pause are a flood");
        self.with_cold(|cold| cold.loading = Some((every, Arc::new(wants))))
    }
}

/// How it is started and stopped.
impl<C, R> WarmLayer<C, R> {
    /// How long an upstream stays warm, and when it is warmed before anybody asks. Each key has a clone of it. Default:
    /// [`Fixed`](crate::policy::Fixed), 10 minutes.
    #[must_use]
    pub fn policy(self, policy: impl Policy + Clone + Sync + 'static) -> Self {
        self.with_plan(|plan| plan.policy = Arc::new(move || Box::new(policy.clone())))
    }

    /// How much time each upstream may be warm for nothing, whatever the policy wants. Pauses that are shorter than the
    /// policy's [resolution](Policy::resolution) do not count. Default: any.
    #[must_use]
    pub fn budget(self, budget: Budget) -> Self {
        self.with_plan(|plan| plan.budget = Some(budget))
    }

    /// After a start so many requests may be in flight at once, growing to `target` within `window`, and then any number.
    /// Those who waited go first, in the order in which they came. Default: 4, growing to 32 in 5 seconds.
    ///
    /// # Panics
    ///
    /// If `start` is 0 or more than `target`.
    #[must_use]
    pub fn ramp(self, window: Duration, start: u32, target: u32) -> Self {
        assert!(0 < start && start <= target, "from {start} to {target} is no ramp");
        self.with_rules(|rules| rules.ramp = Ramp { window: window.min(AGES), start, target })
    }

    /// A start has failed if it takes longer: start, probes and prime together. Default: 10 minutes.
    #[must_use]
    pub fn start_timeout(self, timeout: Duration) -> Self {
        self.with_rules(|rules| rules.start_timeout = timeout.min(AGES))
    }

    /// While it comes up it is asked again so soon after each probe that failed or took longer than 30 seconds; a
    /// millisecond at the least. Default: 200 ms.
    #[must_use]
    pub fn probe_every(self, pause: Duration) -> Self {
        self.with_rules(|rules| rules.probe_every = pause.clamp(Duration::from_millis(1), AGES))
    }

    /// After a start that failed the next one begins about so much later, twice as long each time, up to `max`; a quarter
    /// more or less at random. It is tried for as long as somebody waits, or the policy or an operator wants it. What is
    /// lost within 10 seconds counts as a start that failed. Default: 1 s to 60 s.
    ///
    /// # Panics
    ///
    /// If `first` is zero or more than `max`.
    #[must_use]
    pub fn retry(self, first: Duration, max: Duration) -> Self {
        assert!(
            !first.is_zero() && first <= max,
            "a wait of {first:?} is not more than 0 and at most {max:?}"
        );
        self.with_rules(|rules| (rules.retry, rules.max_retry) = (first.min(AGES), max.min(AGES)))
    }

    /// When nobody wants it warm it is put to [sleep](Starter::sleep), and stopped when it has slept for so long. Default:
    /// it is stopped at once.
    #[must_use]
    pub fn sleep(self, before_stop: Duration) -> Self {
        self.with_rules(|rules| rules.sleep = Some(before_stop.min(AGES)))
    }

    /// Before a stop it waits for so long until all bodies are over. Default: 5 minutes.
    #[must_use]
    pub fn drain(self, drain: Duration) -> Self {
        self.with_rules(|rules| rules.drain = drain.min(AGES))
    }

    /// Gives each key an upstream of its own: for each model that `key` tells apart. The [`Starter`] is told the key.
    ///
    /// Requests without a key belong to the upstream of the key "", and so do those whose key is empty or longer than 256
    /// bytes. No more than `capacity` keys have one at once, whatever clients send: for a new one makes room whichever was
    /// used longest ago of those that are cold, and what its policy has learnt is gone. If none is, the request is refused.
    ///
    /// # Panics
    ///
    /// If `capacity` is 0.
    #[must_use]
    pub fn keyed(
        self,
        capacity: usize,
        key: impl for<'a> Fn(&Head<'a>) -> Option<Cow<'a, str>> + Send + Sync + 'static,
    ) -> Self {
        assert!(capacity > 0, "no key has room in a capacity of 0");
        self.with_plan(|plan| plan.keyed = Some((capacity, Arc::new(key))))
    }

    /// Tells `observer` what happens, instead of the one before. Changes of the state are traced in any case.
    #[must_use]
    pub fn observer(self, observer: impl Observer + 'static) -> Self {
        self.with_plan(|plan| plan.observer = Some(Arc::new(observer)))
    }

    /// Makes the answer to a refused request from its headers. Default: 503 with a problem document (RFC 9457), for gRPC
    /// the status `UNAVAILABLE`; both with the time after which to try again.
    #[must_use]
    pub fn refusal(
        self,
        refuse: impl Fn(Rejection, &HeaderMap) -> Response<Bytes> + Send + Sync + 'static,
    ) -> Self {
        self.with_plan(|plan| plan.refuse = Arc::new(refuse))
    }

    /// Which answers show that a warm upstream is not there any more. Default: [`HttpIsCold`], whose errors have to be
    /// [`Error`](std::error::Error)s; for boxed ones there is [`is_refused`](crate::is_refused).
    #[must_use]
    pub fn is_cold<D>(self, is_cold: D) -> WarmLayer<D, R> {
        WarmLayer { upstreams: self.upstreams, is_cold, replay: self.replay }
    }

    /// A request whose answer shows that its upstream is cold waits until that is warm, and is sent once more. Each request
    /// is cloned for that. Default: its client gets that answer.
    #[must_use]
    pub fn retry_cold(self) -> WarmLayer<C, CloneReplay> {
        self.replay(CloneReplay)
    }

    /// The same, with a copy that you make, of requests that you choose.
    #[must_use]
    pub fn replay<Q>(self, replay: Q) -> WarmLayer<C, Q> {
        WarmLayer { upstreams: self.upstreams, is_cold: self.is_cold, replay }
    }

    /// Shows the upstream, and lets an operator start and stop it; of a [keyed](Self::keyed) layer, that of requests
    /// without a key.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle { upstream: self.upstreams.default.clone(), _alive: self.upstreams.clone() }
    }

    /// Shows the upstreams of all keys.
    #[must_use]
    pub fn keyed_handle(&self) -> KeyedHandle {
        KeyedHandle(self.upstreams.clone())
    }

    fn with_cold(self, change: impl FnOnce(&mut WhileCold)) -> Self {
        self.with_plan(|plan| change(&mut plan.while_cold))
    }

    fn with_rules(self, change: impl FnOnce(&mut Rules)) -> Self {
        self.with_plan(|plan| change(&mut plan.rules))
    }

    fn with_plan(mut self, change: impl FnOnce(&mut Plan)) -> Self {
        let mut plan = self.upstreams.plan.clone();
        change(&mut plan);
        self.upstreams = Arc::new(Upstreams::new(plan));
        self
    }
}

impl<S, C: Clone, R: Clone> Layer<S> for WarmLayer<C, R> {
    type Service = Warm<S, C, R>;

    fn layer(&self, inner: S) -> Self::Service {
        Warm::new(inner, self.upstreams.clone(), self.is_cold.clone(), self.replay.clone())
    }
}

impl<C, R> fmt::Debug for WarmLayer<C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WarmLayer").field("upstreams", &self.upstreams).finish_non_exhaustive()
    }
}
