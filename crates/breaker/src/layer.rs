use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use dashpot_body::Head;
use dashpot_core::{HttpClassify, Rejection};
use http::{HeaderMap, Response};
use tower_layer::Layer;

use crate::{
    Breaker, FallbackService, Handle, KeyedHandle, Observer, Refuse,
    breakers::{Breakers, Plan},
    rules::{Hold, Rules, Slow},
};

/// Makes services that do not call what fails.
///
/// All services of one layer and its clones share one breaker, on however many routes.
#[derive(Clone)]
pub struct BreakerLayer<C = HttpClassify, F = Refuse> {
    breakers: Arc<Breakers>,
    classify: C,
    fallback: F,
}

impl BreakerLayer {
    /// A layer with the defaults that each method names.
    #[must_use]
    pub fn new() -> Self {
        let breakers = Arc::new(Breakers::new(Plan::default()));
        Self { breakers, classify: HttpClassify, fallback: Refuse::default() }
    }
}

/// When it opens. Take [handles](Self::handle) after all of these: each makes the breaker anew.
impl<C, F> BreakerLayer<C, F> {
    /// So many failures one after the other open it. Default: 5. A stream that has begun and breaks off is a quarter of one:
    /// the upstream answers.
    ///
    /// # Panics
    ///
    /// If it is 0.
    #[must_use]
    pub fn consecutive_failures(self, failures: u32) -> Self {
        assert!(failures > 0, "no failure at all opens it");
        self.with_rules(|rules| rules.consecutive = failures)
    }

    /// Failures that are this share of the calls within `window` open it, if there were `min_calls` at least. Default:
    /// half of 20 or more calls within 30 seconds.
    ///
    /// The window moves on by tenths. Its length costs nothing, neither memory nor time.
    ///
    /// # Panics
    ///
    /// If the ratio is not more than 0 and at most 1, or the window is not at least a millisecond and at most a day.
    #[must_use]
    pub fn failure_ratio(self, ratio: f64, min_calls: u64, window: Duration) -> Self {
        assert!(ratio > 0.0 && ratio <= 1.0, "a ratio of {ratio} is not more than 0 and at most 1");
        let bounds = Duration::from_millis(1)..=Duration::from_secs(24 * 60 * 60);
        assert!(bounds.contains(&window), "a window of {window:?} is not from 1 ms to a day");
        self.with_rules(|rules| {
            (rules.failure_ratio, rules.min_calls, rules.window) = (ratio, min_calls, window);
        })
    }

    /// Answers that are slow to begin and this share of the calls within the window open it, with the same least number
    /// of calls. Default: how slow answers are does not matter.
    ///
    /// # Panics
    ///
    /// If the ratio is not more than 0 and at most 1, or a factor of the baseline is not more than 1.
    #[must_use]
    pub fn slow_ratio(self, slow: Slow, ratio: f64) -> Self {
        if let Slow::TimesBaseline(factor) = slow {
            assert!(factor > 1.0, "what takes {factor} times as long as usual is not slow");
        }
        assert!(ratio > 0.0 && ratio <= 1.0, "a ratio of {ratio} is not more than 0 and at most 1");
        self.with_rules(|rules| (rules.slow, rules.slow_ratio) = (Some(slow), ratio))
    }

    /// An upstream that has been silent for so long when the client leaves has failed; one that was not is not to blame.
    /// Default: 30 seconds. A [`Deadline`](dashpot_core::Deadline) that passed before anything came is a failure too, unless it
    /// left less than twice the time that answers usually take to begin; while that is not known, one that only the client
    /// states is none.
    #[must_use]
    pub fn silence(self, silence: Duration) -> Self {
        self.with_rules(|rules| rules.silence = silence)
    }

    /// How long it stays open: at first about `first`, twice as long each time that it opens again before it was well
    /// for ten times as long, at most about `max`, and not shorter than the `Retry-After` of the answer that opened it. Default:
    /// 250 ms to 5 s: soon enough that people still wait for it, and of each instance no more than a call in that time.
    ///
    /// Half as much more or less at random, so that many instances do not come back together.
    ///
    /// # Panics
    ///
    /// If `first` is zero or more than `max`.
    #[must_use]
    pub fn wait(self, first: Duration, max: Duration) -> Self {
        assert!(
            !first.is_zero() && first <= max,
            "a wait of {first:?} is not more than 0 and at most {max:?}"
        );
        self.with_rules(|rules| (rules.wait, rules.max_wait) = (first, max))
    }

    /// How long it stays open if the upstream says that an allowance is spent, and does not say for how long. Default:
    /// one minute. `None`: that does not open it.
    ///
    /// Where clients bring their own credentials, one of them must not close the door for all: [key](Self::keyed) by
    /// credential, or choose `None`.
    #[must_use]
    pub fn quota_wait(self, wait: Option<Duration>) -> Self {
        self.with_rules(|rules| rules.quota_wait = wait)
    }

    /// When the wait is over one request goes to see how the upstream is, then two at once, then four and so on to
    /// `at_once`; `successes` without a failure between end it. Default: 4 and 1, since a share of the requests follows, and
    /// not all.
    ///
    /// A stream is a success when its first content has come, unless it opened because streams broke off: then at its end.
    ///
    /// # Panics
    ///
    /// If one of them is 0.
    #[must_use]
    pub fn probes(self, at_once: u8, successes: u8) -> Self {
        assert!(at_once > 0 && successes > 0, "without probes it would stay open for ever");
        self.with_rules(|rules| (rules.probes, rules.successes) = (at_once, successes))
    }

    /// Then a tenth of all requests passes, and the share grows to all of them within this time. Default: 10 seconds.
    #[must_use]
    pub fn ramp(self, ramp: Duration) -> Self {
        self.with_rules(|rules| rules.ramp = ramp)
    }

    /// Holds so many requests at the most, each for so long, until it is known whether the upstream is back, in place of a
    /// refusal. Default: none.
    ///
    /// For where there is nothing else to call: who is refused is not served, and who is held may be. One whose
    /// [`Deadline`](dashpot_core::Deadline) would pass meanwhile, or that will not be called in time, is refused at once. A wait
    /// of the breaker that is a good part of this one lets nobody see that the upstream is back: set [`wait`](Self::wait)
    /// with it. Those who are held hold whatever is further out, so this belongs around a limit on the upstream.
    ///
    /// # Panics
    ///
    /// If `max_waiting` is 0.
    #[must_use]
    pub fn hold(self, max_waiting: usize, max_wait: Duration) -> Self {
        assert!(max_waiting > 0, "nobody is held");
        self.with_rules(|rules| rules.hold = Some(Hold { max_waiting, max_wait }))
    }

    /// Gives each key a breaker of its own: for each upstream, model or credential that `key` tells apart.
    ///
    /// Keys are compared as they are. Requests without a key share the layer's own breaker, and so do those whose key is
    /// longer than 256 bytes. No more than `capacity` keys have a breaker at once, whatever clients send: for a new one
    /// makes room whichever was used longest ago of those with nothing under way, and what it knew is gone. Keys whose
    /// breaker is as good as new are forgotten by and by.
    ///
    /// # Panics
    ///
    /// If `capacity` is 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use dashpot_breaker::BreakerLayer;
    ///
    /// let layer = BreakerLayer::new().keyed(64, |head| head.header("x-model").map(Into::into));
    /// assert!(layer.keyed_handle().is_empty());
    /// ```
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

    /// What counts as a failure, and what as a success. Default: [`HttpClassify`].
    #[must_use]
    pub fn classify<D>(self, classify: D) -> BreakerLayer<D, F> {
        BreakerLayer { breakers: self.breakers, classify, fallback: self.fallback }
    }

    /// Lets another service answer while this one is not called. It gets the request with the
    /// [`Rejection`](dashpot_core::Rejection) in its extensions. Default: a refusal.
    #[must_use]
    pub fn fallback<S>(self, service: S) -> BreakerLayer<C, FallbackService<S>> {
        BreakerLayer { breakers: self.breakers, classify: self.classify, fallback: FallbackService(service) }
    }

    /// Makes the answer to a refused request from its headers. Default: 503 with a problem document (RFC 9457), for gRPC
    /// the status `UNAVAILABLE`; both with the time after which to try again, if that is known.
    #[must_use]
    pub fn refusal(
        self,
        refuse: impl Fn(Rejection, &HeaderMap) -> Response<Bytes> + Send + Sync + 'static,
    ) -> BreakerLayer<C> {
        let fallback = Refuse(Arc::new(refuse));
        BreakerLayer { breakers: self.breakers, classify: self.classify, fallback }
    }

    /// Shows the breaker, and lets an operator take it over; of a [keyed](Self::keyed) layer, that of requests without a
    /// key.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle(self.breakers.default.clone())
    }

    /// Shows the breakers of all keys.
    #[must_use]
    pub fn keyed_handle(&self) -> KeyedHandle {
        KeyedHandle(self.breakers.clone())
    }

    /// The same breaker anew, without its keys.
    pub(crate) fn without_keys(&self) -> Arc<Breakers> {
        Arc::new(Breakers::new(Plan { keyed: None, ..self.breakers.plan.clone() }))
    }

    fn with_rules(self, change: impl FnOnce(&mut Rules)) -> Self {
        self.with_plan(|plan| change(&mut plan.rules))
    }

    fn with_plan(mut self, change: impl FnOnce(&mut Plan)) -> Self {
        let mut plan = self.breakers.plan.clone();
        change(&mut plan);
        self.breakers = Arc::new(Breakers::new(plan));
        self
    }
}

impl Default for BreakerLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S, C: Clone, F: Clone> Layer<S> for BreakerLayer<C, F> {
    type Service = Breaker<S, C, F>;

    fn layer(&self, inner: S) -> Self::Service {
        Breaker::new(inner, self.breakers.clone(), self.classify.clone(), self.fallback.clone())
    }
}

impl<C, F> fmt::Debug for BreakerLayer<C, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BreakerLayer").field("breakers", &self.breakers).finish_non_exhaustive()
    }
}
