use std::{
    borrow::Cow,
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use dashpot_body::Head;
use dashpot_core::{Keyed, Rejection};
use http::Request;
use http_body::Body;
use tokio::sync::Notify;

use crate::{
    BreakerState, Call, Observer, Reason, Stats, Transition,
    atomic::{AtomicUsize, Ordering::Relaxed},
    machine::{Machine, Refused},
    permit::{Permit, now},
    rules::Rules,
};

pub(crate) type KeyOf = dyn for<'a> Fn(&Head<'a>) -> Option<Cow<'a, str>> + Send + Sync;

/// How breakers are made, and which of them a request belongs to.
#[derive(Clone, Default)]
pub(crate) struct Plan {
    pub(crate) rules: Rules,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) keyed: Option<(usize, Arc<KeyOf>)>,
}

/// All breakers of a layer.
#[derive(Debug)]
pub(crate) struct Breakers {
    pub(crate) plan: Plan,
    rules: Arc<Rules>,
    /// Of all requests without one of their own.
    pub(crate) default: Arc<One>,
    pub(crate) keyed: Option<Keyed<One>>,
    /// When there are so many keys, those that are as good as new are let go.
    swept: Mutex<Instant>,
}

/// All keys are looked at once in a window at the most, and not more often than this.
const SWEEP: Duration = Duration::from_secs(1);

impl Breakers {
    pub(crate) fn new(plan: Plan) -> Self {
        let rules = Arc::new(plan.rules.clone());
        let keyed = plan.keyed.as_ref().map(|&(capacity, _)| Keyed::new(capacity));
        let default = One::new(&rules, &plan);
        Self { plan, rules, default, keyed, swept: Mutex::new(now()) }
    }

    /// The breaker that a request belongs to, if it is not the layer's own.
    pub(crate) fn own<B: Body>(&self, request: &Request<B>) -> Option<Arc<One>> {
        let (keyed, (_, key_of)) = (self.keyed.as_ref()?, self.plan.keyed.as_ref()?);
        let key = key_of(&Head::of(request)).filter(|key| key.len() <= Keyed::<One>::MAX_KEY_LEN)?;
        keyed.get_or_make(&key, || {
            self.sweep(keyed);
            One::new(&self.rules, &self.plan)
        })
    }

    /// Before one that is new takes a place: who is as good as new has none to lose.
    fn sweep(&self, keyed: &Keyed<One>) {
        let now = now();
        let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(*swept) >= self.rules.window.max(SWEEP) {
            *swept = now;
            drop(swept);
            keyed.retain(|one| !one.machine.is_idle(now));
        }
    }
}

/// One breaker, and who is told about it.
pub(crate) struct One {
    pub(crate) machine: Machine,
    observer: Option<Arc<dyn Observer>>,
    /// Wakes those who wait for an inner service that will not be called.
    pub(crate) opened: Arc<Notify>,
    /// Wakes those who are held: one of them may go, or nobody knows.
    pub(crate) changed: Arc<Notify>,
    /// How many are held.
    pub(crate) held: AtomicUsize,
}

impl One {
    fn new(rules: &Arc<Rules>, plan: &Plan) -> Arc<Self> {
        // Random, so that instances that open together do not come back together.
        let seed = RandomState::new().hash_one(0);
        Arc::new(Self {
            machine: Machine::new(rules.clone(), now(), seed),
            observer: plan.observer.clone(),
            opened: Arc::default(),
            changed: Arc::default(),
            held: AtomicUsize::new(0),
        })
    }

    #[inline]
    pub(crate) fn admit(self: &Arc<Self>) -> Result<Permit, Refused> {
        let (decision, told) = self.machine.admit(now);
        // First, so that a probe's place is not lost if an observer panics.
        let permit = decision.map(|ticket| Permit::new(self.clone(), ticket));
        if told.is_some() {
            self.tell(told, None);
        }
        permit
    }

    pub(crate) fn unasked(self: &Arc<Self>) -> Option<Permit> {
        self.machine.unasked().map(|ticket| Permit::new(self.clone(), ticket))
    }

    pub(crate) fn stats(&self, now: Instant) -> Stats {
        Stats { held: self.held.load(Relaxed), ..self.machine.stats(now) }
    }

    #[cold]
    pub(crate) fn refuse(&self, Refused { after, .. }: Refused) -> Rejection {
        self.machine.refuse();
        self.tell_call(Call::NotPermitted);
        let rejection = Rejection::new("breaker", "the upstream fails, and is not called for a while");
        match after {
            Some(after) => rejection.with_retry_after(after.max(Duration::from_millis(1))),
            None => rejection,
        }
    }

    #[inline]
    pub(crate) fn tell_call(&self, call: Call) {
        if let Some(observer) = &self.observer {
            observer.on_call(call);
        }
    }

    pub(crate) fn tell(&self, transition: Option<Transition>, threshold: Option<Reason>) {
        if let Some(reason) = threshold {
            tracing::warn!(%reason, "a breaker would have opened");
            if let Some(observer) = &self.observer {
                observer.on_threshold(reason);
            }
        }
        let Some(transition) = transition else { return };
        let Transition { from, to, reason, attempt, wait } = transition;
        let (from, to_name) = (from.name(), to.name());
        if to == BreakerState::Open {
            tracing::warn!(from, to = to_name, %reason, attempt, ?wait, "a breaker opened");
            self.opened.notify_waiters();
        } else {
            tracing::info!(from, to = to_name, %reason, attempt, "a breaker changed");
        }
        self.changed.notify_waiters();
        if let Some(observer) = &self.observer {
            observer.on_transition(&transition);
        }
    }
}

impl fmt::Debug for One {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("One").field("machine", &self.machine).finish_non_exhaustive()
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan").field("rules", &self.rules).finish_non_exhaustive()
    }
}
