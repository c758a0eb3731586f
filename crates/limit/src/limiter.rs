mod control;

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use dashpot_core::Deadline;

use self::control::Control;
use crate::{
    Policy,
    budgets::{Budgets, Claim, Full},
    permit::{Permit, now},
    rate::Rate,
    stats::{Decision, PartitionStats, Stats, TokenStats},
    thinning::Thinning,
    waiters::{Queue, Turn, Wait, Waiters},
    word::{self, State, Word},
};

/// One limit: what all clones of a service share.
pub(crate) struct Limiter {
    word: Word,
    thinning: Thinning,
    refused: AtomicU64,
    budgets: Budgets,
    waiters: Waiters,
    control: Mutex<Control>,
}

/// What becomes of a request that found no slot free.
pub(crate) enum Queued {
    /// There was one after all.
    Admitted(Permit),
    Waits(Turn),
    Refused,
}

impl Limiter {
    pub(crate) fn new(policy: Box<dyn Policy>, now: Instant, budgets: impl FnOnce(u32) -> Budgets) -> Self {
        let limit = whole(policy.limit());
        let decision = Decision { at: now, limit, reason: policy.belief().reason };
        let budgets = budgets(limit);
        let rate = Rate::new(now, budgets.partitions.as_slice().len());
        Self {
            word: Word::new(limit),
            thinning: Thinning::new(),
            refused: AtomicU64::new(0),
            budgets,
            waiters: Waiters::default(),
            control: Mutex::new(Control {
                policy,
                frozen: false,
                decision,
                reported: now,
                departed: 0,
                total_departed: 0,
                untold: 0,
                rate,
            }),
        }
    }

    /// A permit, if the limit allows one more.
    ///
    /// `claim` is lent, since it was written field by field a moment ago: to hand it over reads it as a whole, and stalls.
    #[inline]
    pub(crate) fn try_acquire(self: &Arc<Self>, claim: &Claim) -> Option<Permit> {
        // With tokens somebody may wait who has a slot in its partition's share; `queue` looks who.
        if self.budgets.tokens.is_some() && claim.partition.is_some() && self.word.load().waiting {
            return None;
        }
        match self.admit(claim, Word::acquire) {
            Ok(permit) => Some(permit),
            Err(full) => {
                if full.wakes {
                    self.wake();
                }
                None
            }
        }
    }

    /// A permit, if there is room for all that it claims. `free` takes a slot that is free.
    #[inline]
    fn admit(
        self: &Arc<Self>,
        claim: &Claim,
        free: impl FnOnce(&Word) -> Option<State>,
    ) -> Result<Permit, Full> {
        let state = self.budgets.admit(&self.word, *claim, free)?;
        let measured_from = self.thinning.takes(state.admitted()).then(now);
        Ok(Permit::new(self.clone(), state.in_flight, measured_from, *claim))
    }

    pub(crate) fn release(self: &Arc<Self>, claim: Claim) {
        self.budgets.give_back(claim);
        if self.word.release() {
            self.wake();
        }
    }

    /// Lets a request wait that found no slot free, unless its turn would come too late.
    pub(crate) fn queue(
        self: &Arc<Self>,
        now: Instant,
        wait: &Wait,
        deadline: Option<Deadline>,
        claim: Claim,
    ) -> Queued {
        let mut max_wait = wait.max_wait;
        let mut control = self.control();
        control.count(now, &self.word);
        control.rate.full(now);
        if let Some(deadline) = deadline {
            // What is granted too late to be answered in time is granted in vain.
            let baseline = control.policy.belief().baseline.unwrap_or_default();
            max_wait = max_wait.min(deadline.remaining(now).saturating_sub(baseline));
        }
        let turn = control.rate.time_for(1.0);
        drop(control);

        let mut queue = self.waiters.lock();
        let ahead = if queue.is_backlogged(now) { 0 } else { queue.len() };
        let is_late =
            turn.is_some_and(|turn| turn.as_secs_f64() * (ahead + 1) as f64 > max_wait.as_secs_f64());
        // Looks again once whoever makes room knows; newcomers stand behind from then on.
        self.word.somebody_waits();
        let is_first = queue.len() == 0;
        let free = |word: &Word| if is_first { word.acquire_for_waiter() } else { None };
        // A share is no way round those of the same partition who wait for tokens.
        let stands_behind = queue.has(claim.partition);
        let admitted = if stands_behind { None } else { self.admit(&claim, free).ok() };
        let queued = match admitted {
            Some(permit) => Queued::Admitted(permit),
            None if is_late || max_wait.is_zero() || queue.len() >= wait.max_waiting => Queued::Refused,
            None => Queued::Waits(queue.push(self, now, max_wait, claim)),
        };
        self.settle(&queue);
        queued
    }

    /// Gives free slots to those who wait.
    pub(crate) fn wake(self: &Arc<Self>) {
        let now = now();
        let partitions = self.budgets.partitions.as_slice().len();
        loop {
            let mut queue = self.waiters.lock();
            let next = queue.pop(now, partitions, |claim| self.admit(&claim, Word::acquire_for_waiter).ok());
            self.settle(&queue);
            drop(queue);
            let Some((grant, permit)) = next else { break };
            // Without the lock: this runs a waker. Whoever has left in the meantime leaves the slot to the next.
            if let Err(permit) = grant.send(permit) {
                permit.undo();
            }
        }
    }

    /// Gives back what nobody used, for somebody else of whom the caller knows.
    pub(crate) fn undo(&self, claim: Claim) {
        self.budgets.give_back(claim);
        let _ = self.word.undo();
    }

    /// Somebody waits no longer.
    pub(crate) fn forget(self: &Arc<Self>, remove: impl FnOnce(&mut Queue)) {
        let mut queue = self.waiters.lock();
        remove(&mut queue);
        self.settle(&queue);
        // Whoever stood behind one that needed more tokens may need no more than there are.
        let wakes = self.budgets.tokens.is_some() && queue.len() > 0;
        drop(queue);
        if wakes {
            self.wake();
        }
    }

    /// Newcomers need not stand behind an empty queue.
    fn settle(&self, queue: &Queue) {
        if queue.len() == 0 {
            self.word.nobody_waits();
        }
    }

    /// Counts a refusal: when trying again has a chance.
    ///
    /// Those who are refused get a turn each, at the rate at which slots come free, so that they do not all come back at
    /// once.
    pub(crate) fn refuse(&self, now: Instant, claim: Claim) -> Duration {
        self.refused.fetch_add(1, Relaxed);
        if let Some(partition) = self.budgets.partition(claim) {
            partition.refuse();
        }
        let mut control = self.control();
        control.count(now, &self.word);
        control.rate.full(now);
        control.rate.next_turn(now, claim.partition)
    }

    pub(crate) fn stats(&self, now: Instant) -> Stats {
        let waiting = self.waiters.lock().len();
        let mut control = self.control();
        let state = control.count(now, &self.word);
        let belief = control.policy.belief();
        Stats {
            limit: state.limit,
            in_flight: state.in_flight,
            admitted: control.total_departed + u64::from(state.in_flight),
            waiting,
            refused: self.refused.load(Relaxed),
            frozen: control.frozen,
            baseline: belief.baseline,
            queue: belief.queue,
            decision: control.decision,
            tokens: self.budgets.tokens.as_ref().map(TokenStats::of),
        }
    }

    pub(crate) fn partitions(&self) -> Vec<PartitionStats> {
        self.budgets.partitions.as_slice().iter().map(PartitionStats::of).collect()
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter").field("state", &self.word.load()).finish_non_exhaustive()
    }
}

/// The limit that is admitted up to: whole, at least one, and no more than can be counted.
fn whole(limit: f64) -> u32 {
    // A cast saturates, and makes 0 of what is no number.
    (limit as u32).clamp(1, word::MAX)
}
