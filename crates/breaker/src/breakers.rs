use std::{
    borrow::Cow,
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use dashpot_body::Head;
use dashpot_core::{Keyed, Rejection};
use http::Request;
use http_body::Body;
use tokio::sync::Notify;

use crate::{
    BreakerState, Call, Observer, Reason, Transition,
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
    sweep_at: AtomicUsize,
}

/// So few keys are not worth a look.
const FEW: usize = 64;

impl Breakers {
    pub(crate) fn new(plan: Plan) -> Self {
        let rules = Arc::new(plan.rules.clone());
        let keyed = plan.keyed.as_ref().map(|&(capacity, _)| Keyed::new(capacity));
        let default = One::new(&rules, &plan);
        Self { plan, rules, default, keyed, sweep_at: AtomicUsize::new(FEW) }
    }

    /// The breaker that a request belongs to, if it is not the layer's own.
    pub(crate) fn own<B: Body>(&self, request: &Request<B>) -> Option<Arc<One>> {
        let (keyed, (_, key_of)) = (self.keyed.as_ref()?, self.plan.keyed.as_ref()?);
        let key = key_of(&Head::of(request)).filter(|key| key.len() <= Keyed::<One>::MAX_KEY_LEN)?;
        let mut is_new = false;
        let one = keyed.get_or_make(&key, || {
            is_new = true;
            One::new(&self.rules, &self.plan)
        });
        if is_new && keyed.len() >= self.sweep_at.load(Relaxed) {
            let now = now();
            keyed.retain(|one| !one.machine.is_idle(now));
            self.sweep_at.store((2 * keyed.len()).max(FEW), Relaxed);
        }
        one
    }
}

/// One breaker, and who is told about it.
pub(crate) struct One {
    pub(crate) machine: Machine,
    observer: Option<Arc<dyn Observer>>,
    /// Wakes those who wait for an inner service that will not be called.
    pub(crate) opened: Arc<Notify>,
}

impl One {
    fn new(rules: &Arc<Rules>, plan: &Plan) -> Arc<Self> {
        // Random, so that instances that open together do not come back together.
        let seed = RandomState::new().hash_one(0);
        Arc::new(Self {
            machine: Machine::new(rules.clone(), now(), seed),
            observer: plan.observer.clone(),
            opened: Arc::default(),
        })
    }

    #[inline]
    pub(crate) fn admit(self: &Arc<Self>) -> Result<Permit, Rejection> {
        let (decision, told) = self.machine.admit(now);
        if told.is_some() {
            self.tell(told, None);
        }
        match decision {
            Ok(ticket) => Ok(Permit::new(self.clone(), ticket)),
            Err(refused) => Err(self.refuse(refused)),
        }
    }

    #[cold]
    fn refuse(&self, Refused(after): Refused) -> Rejection {
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
