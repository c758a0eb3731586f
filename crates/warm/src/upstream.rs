mod turn;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use dashpot_core::Rejection;
use tokio::sync::{Notify, oneshot, watch};

use crate::{
    ColdRequest, Observer, Stats, WarmState,
    machine::{Arrival, Due, Machine, Next, Step},
    permit::{Permit, now},
    queue::{Queue, Turn},
    starter::{StartError, Starter},
    upstreams::{Plan, WhileCold},
    word::Word,
};

/// One upstream: its machine, who waits for it, and who is told.
pub(crate) struct Upstream {
    pub(crate) word: Word,
    inner: Mutex<Inner>,
    pub(crate) key: Arc<str>,
    pub(crate) starter: Arc<dyn Starter>,
    observer: Option<Arc<dyn Observer>>,
    /// Ends with the layer, its services and its handles.
    pub(crate) alive: watch::Receiver<()>,
    /// Wakes the driver.
    pub(crate) news: Arc<Notify>,
    /// Wakes those who wait for readiness, when it begins or ends.
    pub(crate) turned: Arc<Notify>,
    state: watch::Sender<WarmState>,
}

struct Inner {
    machine: Machine,
    queue: Queue,
    is_driven: bool,
    /// What the driver knows.
    told: Option<Next>,
    /// Of the word, as far as the machine knows.
    begun: u32,
}

enum Found {
    Passes(u16, bool),
    Waits((u64, oneshot::Receiver<Permit>)),
    Refused(Duration),
}

/// What becomes of a request.
pub(crate) enum Place {
    Passes(Permit),
    Waits(Turn),
    Refused(Rejection),
}

impl Upstream {
    pub(crate) fn new(plan: &Plan, key: &str, alive: watch::Receiver<()>) -> Arc<Self> {
        Arc::new(Self {
            word: Word::new(),
            inner: Mutex::new(Inner {
                machine: plan.machine(),
                queue: Queue::default(),
                is_driven: false,
                told: None,
                begun: 0,
            }),
            key: key.into(),
            starter: plan.starter.clone(),
            observer: plan.observer.clone(),
            alive,
            news: Arc::default(),
            turned: Arc::default(),
            state: watch::Sender::new(WarmState::Cold),
        })
    }

    /// A request that finds the upstream warm: decided by one word, without a lock or a look at the clock.
    #[inline]
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Permit> {
        let generation = self.word.enter()?;
        Some(Permit::new(self.clone(), generation, false))
    }

    /// Any other request, with its deadline.
    pub(crate) fn place(self: &Arc<Self>, while_cold: &WhileCold, deadline: Option<Instant>) -> Place {
        let now = now();
        let by = now + while_cold.max_wait;
        let until = deadline.map_or(by, |deadline| deadline.min(by));
        let found = self.with(now, |inner, load| match inner.machine.arrives(now, load) {
            Arrival::Pass { is_exact } => {
                self.word.admit(false);
                Found::Passes(inner.machine.generation(), is_exact)
            }
            Arrival::Hold => {
                let is_hopeless = deadline.is_some_and(|by| !inner.machine.can_be_ready(by, now));
                if is_hopeless || load.waiting >= while_cold.max_waiting {
                    inner.machine.refused();
                    Found::Refused(inner.machine.retry_after(now))
                } else {
                    inner.machine.held();
                    Found::Waits(inner.queue.push())
                }
            }
        });
        match found {
            Found::Passes(generation, is_exact) => {
                Place::Passes(Permit::new(self.clone(), generation, is_exact))
            }
            Found::Waits(place) => {
                let turn = Turn::new(self.clone(), place, until);
                self.tell(ColdRequest::Held);
                Place::Waits(turn)
            }
            Found::Refused(after) => {
                self.tell(ColdRequest::Refused);
                Place::Refused(rejection(after))
            }
        }
    }

    /// Whoever waited has waited for too long.
    pub(crate) fn timed_out(self: &Arc<Self>) -> Rejection {
        let now = now();
        let after = self.with(now, |inner, _| {
            inner.machine.timed_out();
            inner.machine.retry_after(now)
        });
        self.tell(ColdRequest::TimedOut);
        rejection(after)
    }

    pub(crate) fn leaves(self: &Arc<Self>, id: u64) {
        self.with(now(), |inner, _| inner.queue.remove(id));
    }

    /// The last of those in flight may have gone, or there is room for one who waits.
    #[cold]
    #[inline(never)]
    pub(crate) fn ended(self: &Arc<Self>) {
        self.with(now(), |_, _| ());
    }

    pub(crate) fn lost(self: &Arc<Self>, generation: u16) {
        let now = now();
        self.with(now, |inner, _| inner.machine.lost(generation, now));
    }

    /// The inner service has said so, and there is no request.
    pub(crate) fn unasked_lost(self: &Arc<Self>) {
        let now = now();
        self.with(now, |inner, _| inner.machine.lost(inner.machine.generation(), now));
    }

    /// Somebody would send a request if it were ready.
    pub(crate) fn want(self: &Arc<Self>) {
        self.with(now(), |inner, _| inner.machine.want());
    }

    pub(crate) fn exited(self: &Arc<Self>) {
        let now = now();
        self.with(now, |inner, _| inner.machine.exited(now));
    }

    pub(crate) fn finished(self: &Arc<Self>, due: Due, result: Result<(), StartError>) {
        let now = now();
        match &result {
            Err(error) if due.step == Step::Probe => {
                tracing::debug!(key = &*self.key, %error, "an upstream is not up yet");
            }
            Err(error) => tracing::warn!(key = &*self.key, step = ?due.step, %error, "a step did not work"),
            Ok(()) => {}
        }
        self.with(now, |inner, _| inner.machine.finished(due.id, result.is_ok(), now));
    }

    pub(crate) fn warm(self: &Arc<Self>) {
        let now = now();
        self.with(now, |inner, _| inner.machine.warm(now));
    }

    pub(crate) fn begin(self: &Arc<Self>) {
        let now = now();
        self.with(now, |inner, _| inner.machine.begin(now));
    }

    pub(crate) fn cool(self: &Arc<Self>) {
        let now = now();
        self.with(now, |inner, load| inner.machine.cool(now, load));
    }

    pub(crate) fn close(self: &Arc<Self>) {
        let now = now();
        self.with(now, |inner, load| inner.machine.close(now, load));
    }

    /// What the driver has to do next; its last word, if that is nothing.
    pub(crate) fn next(self: &Arc<Self>) -> Next {
        self.go(now(), true, |_, _| ()).1
    }

    /// The driver is gone, with its runtime. None passes until there is another.
    pub(crate) fn abandoned(&self) {
        let mut inner = self.lock();
        inner.is_driven = false;
        self.word.close();
    }

    pub(crate) fn state(&self) -> WarmState {
        *self.state.borrow()
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<WarmState> {
        self.state.subscribe()
    }

    pub(crate) fn stats(self: &Arc<Self>) -> Stats {
        let now = now();
        self.with(now, |inner, load| inner.machine.stats(now, load))
    }

    fn tell(&self, request: ColdRequest) {
        if let Some(observer) = &self.observer {
            observer.on_request(request);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn rejection(after: Duration) -> Rejection {
    Rejection::new("warm", "the model is not ready yet").with_retry_after(after)
}

/// A driver that waits for the time of one that is forgotten ends now.
impl Drop for Upstream {
    fn drop(&mut self) {
        self.news.notify_one();
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream")
            .field("state", &self.state())
            .field("word", &self.word)
            .finish_non_exhaustive()
    }
}
