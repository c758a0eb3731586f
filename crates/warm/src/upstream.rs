use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use dashpot_core::Rejection;
use tokio::sync::{Notify, oneshot, watch};

use crate::{
    ColdRequest, Observer, Start, Stats, WarmState,
    driver::Driver,
    machine::{Arrival, Due, Load, Machine, Next, Step},
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

/// What is to be done without the lock.
#[derive(Default)]
struct After {
    grants: Vec<(oneshot::Sender<Permit>, u16)>,
    changed: Option<(WarmState, WarmState)>,
    started: Option<(u64, Start)>,
    needs_driver: bool,
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

    /// The driver is gone, with its runtime.
    pub(crate) fn abandoned(&self) {
        let mut inner = self.lock();
        inner.is_driven = false;
        inner.machine.abandoned();
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

    fn with<R>(self: &Arc<Self>, now: Instant, event: impl FnOnce(&mut Inner, Load) -> R) -> R {
        self.go(now, false, event).0
    }

    /// Something happens: meanwhile none passes, and those who wait go if they may.
    fn go<R>(
        self: &Arc<Self>,
        now: Instant,
        by_driver: bool,
        event: impl FnOnce(&mut Inner, Load) -> R,
    ) -> (R, Next) {
        let mut guard = self.lock();
        let inner = &mut *guard;
        let seen = self.word.close();
        inner.machine.passed(u64::from(seen.begun.wrapping_sub(inner.begun) & 0xff_ffff));
        let starts = inner.machine.starts_so_far();
        let result = event(inner, Load { in_flight: seen.in_flight, waiting: inner.queue.len() });

        let mut after = After::default();
        let next = loop {
            let load = Load { in_flight: self.word.load().in_flight, waiting: inner.queue.len() };
            let next = inner.machine.advance(now, load);
            let room = inner.machine.room(now, load);
            if room == 0 {
                break next;
            }
            for grant in std::iter::from_fn(|| inner.queue.pop()).take(room as usize) {
                self.word.admit(true);
                after.grants.push((grant, inner.machine.generation()));
            }
        };
        inner.begun = self.word.load().begun;
        if inner.begun != seen.begun {
            inner.machine.passed(u64::from(inner.begun.wrapping_sub(seen.begun) & 0xff_ffff));
        }
        let state = inner.machine.state();
        let was = self.state.send_replace(state);
        after.changed = (was != state).then_some((was, state));
        after.started = inner.machine.starts_so_far().filter(|start| Some(*start) != starts);
        if by_driver {
            inner.is_driven = !next.is_over;
        } else if !inner.is_driven && !next.is_over && Driver::can_run() {
            (inner.is_driven, after.needs_driver) = (true, true);
        }
        let is_news = inner.told.is_none_or(|told| !is_covered(next, told));
        if by_driver || is_news {
            inner.told = Some(next);
        }
        if inner.machine.is_open() {
            self.word.open(inner.machine.generation());
        }
        drop(guard);
        self.go_on(after, is_news && !by_driver);
        (result, next)
    }

    /// Without the lock: this wakes others, and runs what users have written.
    fn go_on(self: &Arc<Self>, after: After, is_news: bool) {
        for (grant, generation) in after.grants {
            // Given back, if nobody waits any more.
            drop(grant.send(Permit::new(self.clone(), generation, true)));
        }
        if after.needs_driver {
            Driver::spawn(self.clone());
        } else if is_news {
            self.news.notify_one();
        }
        if let Some((from, to)) = after.changed {
            tracing::info!(key = &*self.key, from = from.name(), to = to.name(), "an upstream changed");
            if from.is_ready() != to.is_ready() {
                self.turned.notify_waiters();
            }
            if let Some(observer) = &self.observer {
                observer.on_state(from, to);
            }
        }
        if let (Some((_, start)), Some(observer)) = (after.started, &self.observer) {
            observer.on_start(&start);
        }
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

/// Whether a driver that knows `told` need not be woken for `next`: it comes early enough.
fn is_covered(next: Next, told: Next) -> bool {
    let is_in_time = match (next.wake_at, told.wake_at) {
        (Some(at), Some(told)) => told <= at,
        (Some(_), None) => false,
        (None, _) => true,
    };
    is_in_time && next.due == told.due && next.is_up == told.is_up && next.is_over == told.is_over
}

fn rejection(after: Duration) -> Rejection {
    Rejection::new("warm", "the model is not ready yet").with_retry_after(after)
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream")
            .field("state", &self.state())
            .field("word", &self.word)
            .finish_non_exhaustive()
    }
}
