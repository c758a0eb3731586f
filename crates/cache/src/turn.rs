//! Whose turn it is to make a call: ours, or that of another process with the same store.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use dashpot_core::{Deadline, Tenant};
use http::Request;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep, timeout},
};

use crate::{
    Acquired, Entry, Lease, Place, Released,
    answer::as_stream,
    commit::PATIENCE,
    control::Control,
    flight::Ended,
    key::{Asked, Mode},
    layer::Shared,
    lease::AnyLeases,
    now,
    stats::{Counters, count},
};

/// So long after its holder has died, or hangs, another has the lease; while it lives, it is renewed three times in this.
const TIME: Duration = Duration::from_secs(3);

/// For so long after a call that kept nothing nobody waits for another: each of those who waited has looked again by then.
const NOTHING: Duration = Duration::from_secs(1);

/// Between two looks of one who waits: at first, and at most.
const SOON: Duration = Duration::from_millis(10);
const LATE: Duration = Duration::from_millis(100);

/// A call that is to be made by one process of all.
pub(crate) struct Turn {
    pub(crate) leases: Arc<dyn AnyLeases>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) place: Place,
    pub(crate) tenant: Tenant,
    pub(crate) mode: Mode,
    pub(crate) control: Control,
    /// How long one look may take.
    pub(crate) budget: Duration,
    /// How long another is waited for.
    pub(crate) wait: Duration,
    pub(crate) held: Slot,
}

/// What comes of asking whose turn it is.
pub(crate) enum Whose {
    /// Ours: the call is to be made. So it is if nobody can say.
    Ours,
    /// Another makes it.
    Theirs,
    /// Another has made it, and this is the answer.
    Over(Arc<Entry>),
}

impl<St> Shared<St> {
    /// Whose turn it is to make a call for this request, if other processes are asked at all.
    pub(crate) fn turn<B>(
        &self,
        asked: &Asked,
        tenant: &Tenant,
        control: Control,
        request: &Request<B>,
    ) -> Option<Turn> {
        let rules = &self.rules;
        let wait = if asked.mode.stream { rules.stream_lease_wait } else { rules.lease_wait };
        // What is left must be enough for a call of one's own.
        let left = Deadline::of(request, now).map(|deadline| deadline.remaining(now()) / 2);
        let wait = left.map_or(wait, |left| wait.min(left));
        let leases = self.leases.clone().filter(|_| !wait.is_zero())?;
        Some(Turn {
            leases,
            counters: self.counters.clone(),
            place: asked.place(),
            tenant: tenant.clone(),
            mode: asked.mode,
            control,
            budget: rules.budget,
            wait,
            held: Slot::default(),
        })
    }
}

impl Turn {
    pub(crate) async fn ask(&self) -> Whose {
        let others = &self.counters.others;
        // Of one who leaves here, the lease may have been taken. It is nobody's then, and ends by itself.
        let asked = others.leases.ask(self.budget, self.leases.acquire(self.place, TIME));
        let Some((acquired, entry)) = asked.await else { return Whose::Ours };
        if let Acquired::Ours(lease) = acquired {
            self.held.fill(Held::new(self, lease));
        }
        match entry.filter(|entry| self.will_do(entry)) {
            Some(entry) => {
                self.held.kept();
                Whose::Over(entry)
            }
            None if acquired == Acquired::Theirs => Whose::Theirs,
            None => Whose::Ours,
        }
    }

    /// Waits for another's answer; `None` if there is none to wait for any more, or it takes too long.
    pub(crate) async fn wait(&self) -> Option<Arc<Entry>> {
        let (start, mut pause) = (Instant::now(), SOON);
        while Instant::now().saturating_duration_since(start).saturating_add(pause) < self.wait {
            sleep(pause).await;
            pause = (pause * 3 / 2).min(LATE);
            match self.ask().await {
                Whose::Theirs => {}
                Whose::Ours => break,
                Whose::Over(entry) => return Some(entry),
            }
        }
        count(&self.counters.awaited_in_vain);
        None
    }

    /// What the store says is looked at as wherever it is asked.
    fn will_do(&self, entry: &Entry) -> bool {
        let (age, fresh) = entry.times(now());
        entry.tenant == self.tenant
            && entry.place() == self.place
            && self.control.accepts(age, fresh, Duration::ZERO) == Some(false)
            && self.mode.can_have(entry)
            && (!self.mode.stream
                || entry.events
                || as_stream(entry.dialect, &entry.answer, false, false).is_some())
    }
}

/// Where the lease of a call is, while there is one: shared by the call and by what keeps its answer.
#[derive(Clone, Default)]
pub(crate) struct Slot(Arc<Mutex<Option<Held>>>);

impl Slot {
    pub(crate) fn lease(&self) -> Option<Lease> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|held| held.lease)
    }

    /// There is an answer in the store.
    pub(crate) fn kept(&self) {
        self.give_back(Released::Kept);
    }

    /// There will be no answer in the store, nor would there be if another made the call: whoever waits is to make one at once.
    pub(crate) fn give_up(&self) {
        self.give_back(Released::NotKept(NOTHING));
    }

    /// The call has ended so, and nothing is kept of its answer.
    pub(crate) fn ended_without(&self, ended: Ended) {
        match ended {
            // That says nothing about the answer: one of those who wait makes the call instead, for all of them.
            Ended::Left => self.give_back(Released::NotKept(Duration::ZERO)),
            Ended::Whole | Ended::Broken | Ended::TooLong => self.give_up(),
        }
    }

    fn give_back(&self, outcome: Released) {
        if let Some(held) = self.take() {
            // Nobody hears it if the lease was lost.
            let _ = held.over.send(outcome);
        }
    }

    fn fill(&self, held: Held) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(held);
    }

    fn take(&self) -> Option<Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A lease that a task renews until it hears that it is over, or that this was dropped.
struct Held {
    lease: Lease,
    over: oneshot::Sender<Released>,
}

impl Held {
    fn new(turn: &Turn, lease: Lease) -> Self {
        let (over, is_over) = oneshot::channel();
        tokio::spawn(hold(turn.leases.clone(), turn.counters.clone(), lease, is_over));
        Self { lease, over }
    }
}

/// Renews a lease until it is said to be over, or nobody is there to say so.
async fn hold(
    leases: Arc<dyn AnyLeases>,
    counters: Arc<Counters>,
    lease: Lease,
    mut is_over: oneshot::Receiver<Released>,
) {
    let others = &counters.others;
    let outcome = loop {
        match timeout(TIME / 3, &mut is_over).await {
            Ok(outcome) => break outcome.unwrap_or(Released::NotKept(NOTHING)),
            // What fails is tried again; a lease that was lost is not.
            Err(_) => {
                // Short enough for another attempt before the lease ends.
                if others.held.ask(TIME / 6, leases.renew(lease, TIME)).await == Some(false) {
                    return;
                }
            }
        }
    };
    others.held.ask(PATIENCE, leases.release(lease, outcome)).await;
}
