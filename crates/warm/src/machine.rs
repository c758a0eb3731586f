mod advance;
mod events;
mod parts;
mod views;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

pub(crate) use parts::{Arrival, Due, Load, Next, Step};
use parts::{Attempt, Phase, Rest};

use crate::{
    WarmState,
    policy::{Budget, Keep, Moment, Policy, Recent},
    rules::{AGES, ASKED, Rules, SETTLED},
    stats::{Counters, Start},
};

/// One upstream between cold and warm: told the time and what happens, it says what is to be done.
///
/// It has no clock, task or lock. Whoever drives it calls [`advance`](Self::advance) after everything that happens and
/// whenever it asked to be woken, runs the step it is given, and drops a step that is no longer the same.
#[derive(Debug)]
pub(crate) struct Machine {
    rules: Arc<Rules>,
    policy: Box<dyn Policy>,
    budget: Option<Budget>,
    origin: Moment,
    phase: Phase,
    step: Option<Due>,
    steps: u64,
    /// Of the latest start that worked. What belongs to an earlier one says nothing of this one.
    generation: u16,
    /// When it became ready, if it is.
    ready_at: Option<Instant>,
    /// Failures without a time of rest.
    failures: u32,
    seed: u64,
    /// Whether somebody uses it or waits for it, as far as is known.
    in_use: bool,
    /// Since when nobody has, if anybody ever had.
    idle_since: Option<Instant>,
    /// What the policy wants while nobody does, and from when that counts.
    wish: (Instant, Keep),
    /// Somebody said that it be started, and until when it then stays.
    asked: bool,
    /// Somebody was refused, who may come again.
    owed: bool,
    asked_until: Option<Instant>,
    /// Until when the time that it was warm for nothing is counted.
    counted: Instant,
    /// The start was the policy's own, and nobody has come since.
    is_prewarm: bool,
    closing: bool,
    recent: Recent,
    /// What nine of ten recent starts took at the most, and what the shortest took.
    usual: Option<Duration>,
    shortest: Duration,
    counters: Counters,
}

impl Machine {
    pub(crate) fn new(
        rules: Arc<Rules>,
        policy: Box<dyn Policy>,
        budget: Option<Budget>,
        now: Moment,
        seed: u64,
    ) -> Self {
        Self {
            rules,
            policy,
            budget,
            origin: now,
            phase: Phase::Cold,
            step: None,
            steps: 0,
            generation: 0,
            ready_at: None,
            failures: 0,
            seed,
            in_use: false,
            idle_since: None,
            wish: (now.at, Keep::NONE),
            asked: false,
            owed: false,
            asked_until: None,
            counted: now.at,
            is_prewarm: false,
            closing: false,
            recent: Recent::new(16),
            usual: None,
            shortest: Duration::ZERO,
            counters: Counters::default(),
        }
    }

    pub(crate) fn state(&self) -> WarmState {
        match self.phase {
            Phase::Cold => WarmState::Cold,
            Phase::Starting(_) => WarmState::Starting,
            Phase::Probing(..) => WarmState::Probing,
            Phase::Priming(_) => WarmState::Priming,
            Phase::Ramping { .. } => WarmState::Ramping,
            Phase::Warm => WarmState::Warm,
            Phase::Draining { .. } => WarmState::Draining,
            Phase::Sleeping { .. } => WarmState::Sleeping,
            Phase::Failed { .. } => WarmState::Failed,
        }
    }

    pub(crate) fn generation(&self) -> u16 {
        self.generation
    }

    /// Whether requests may pass without a question. Not while it is idle: then the next one is news.
    pub(crate) fn is_open(&self) -> bool {
        self.phase == Phase::Warm && self.in_use
    }

    /// How many of those who wait may go now.
    pub(crate) fn room(&self, now: Instant, load: Load) -> u32 {
        match self.phase {
            Phase::Warm => load.waiting,
            Phase::Ramping { since } => {
                let limit = self.rules.ramp.limit(now.saturating_duration_since(since));
                limit.saturating_sub(load.in_flight).min(load.waiting)
            }
            _ => 0,
        }
    }

    fn is_serving(&self) -> bool {
        matches!(self.phase, Phase::Ramping { .. } | Phase::Warm)
    }

    fn moment(&self, at: Instant) -> Moment {
        let since = at.saturating_duration_since(self.origin.at);
        Moment { at, unix: self.origin.unix + since }
    }

    /// Asks the policy what it wants from now on. It runs with a lock held and in `Drop`: one that panics wants nothing.
    fn ask(&mut self, now: Instant, question: fn(&mut dyn Policy, Moment) -> Keep) {
        let (moment, policy) = (self.moment(now), &mut *self.policy);
        let keep = catch_unwind(AssertUnwindSafe(|| question(policy, moment)));
        self.wishes(now, keep.unwrap_or(Keep::NONE));
    }

    /// How exactly the end of use is to be known; neither at each moment nor never.
    fn resolution(&self) -> Duration {
        self.policy.resolution().clamp(Duration::from_millis(1), AGES)
    }

    /// From now on the policy wants this.
    fn wishes(&mut self, now: Instant, keep: Keep) {
        self.wish = (now, keep.early(self.usual.unwrap_or_default()));
    }

    /// Whether it should be warm although nobody waits for it.
    fn is_wanted(&mut self, now: Instant) -> bool {
        if self.closing {
            return false;
        }
        let is_held = self.asked_until.is_some_and(|until| now < until);
        self.asked || self.owed || (is_held || self.is_wished(now)) && !self.is_spent(now)
    }

    fn is_wished(&self, now: Instant) -> bool {
        let (from, keep) = self.wish;
        !self.in_use && keep.wants(now.saturating_duration_since(from))
    }

    /// Whether it must not be warm for nothing any longer.
    fn is_spent(&mut self, now: Instant) -> bool {
        let is_free = self.is_serving() && now < self.idles_from();
        !is_free && self.budget.as_mut().is_some_and(|budget| budget.left(now).is_zero())
    }

    /// From when on it is warm for nothing. Pauses that are too short to be seen between requests are use.
    fn idles_from(&self) -> Instant {
        let resolution = self.resolution();
        self.idle_since.map_or(self.counted, |since| self.counted.max(since + resolution))
    }

    /// Counts the time until now for nothing, if it was.
    fn count(&mut self, now: Instant) {
        let from = self.idles_from();
        if self.is_serving() && !self.in_use && now > from {
            if let Some(budget) = &mut self.budget {
                budget.spend(from, now);
            }
            self.counters.idle += now - from;
        }
        self.counted = self.counted.max(now);
    }

    /// It is not ready any more.
    fn ends(&mut self, now: Instant) {
        if let Some(ready_at) = self.ready_at.take() {
            let ready = now.saturating_duration_since(ready_at);
            self.counters.ready += ready;
            if ready >= SETTLED {
                self.failures = 0;
            }
        }
        if std::mem::take(&mut self.is_prewarm) {
            self.counters.useless += 1;
        }
    }

    /// It could not be started, or was lost as soon as it was.
    fn fails(&mut self, now: Instant, is_clean: bool) {
        self.owed = false;
        self.failures += 1;
        self.counters.failed += 1;
        let until = now + self.backoff();
        self.enter(Phase::Failed { since: now, until, is_clean });
    }

    /// Twice as long each time, and a quarter more or less at random.
    fn backoff(&mut self) -> Duration {
        let Rules { retry, max_retry, .. } = *self.rules;
        let doublings = (self.failures - 1).min(20);
        let wait = retry.saturating_mul(1 << doublings).min(max_retry);
        // A linear congruential generator (Knuth, MMIX): its upper bits will do.
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        wait.mul_f64(0.75 + 0.5 * (self.seed >> 32) as f64 / f64::from(u32::MAX))
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.step = None;
    }

    fn run(&mut self, step: Step, since: Instant) {
        self.steps += 1;
        self.step = Some(Due { id: self.steps, step, since });
    }

    fn starts(&mut self, now: Instant, from_sleep: bool, load: Load) {
        self.is_prewarm = load.is_none() && !self.asked && !self.owed;
        let attempt = Attempt { began: now, started: now, probed: now, from_sleep };
        self.enter(Phase::Starting(attempt));
        self.run(if from_sleep { Step::Wake } else { Step::Start }, now);
    }

    /// Primed: a real inference has come back.
    fn is_ready(&mut self, attempt: Attempt, now: Instant) {
        let Attempt { began, started, probed, .. } = attempt;
        let start = Start { start: started - began, probe: probed - started, prime: now - probed };
        self.recent.add(start.total());
        self.usual = self.recent.percentile(0.9);
        self.shortest = self.recent.percentile(0.0).unwrap_or_default();
        self.counters.started(start);
        self.generation = self.generation.wrapping_add(1) & 0x7fff;
        (self.ready_at, self.counted) = (Some(now), now);
        if std::mem::take(&mut self.asked) | std::mem::take(&mut self.owed) {
            self.asked_until = now.checked_add(ASKED);
        }
        self.enter(Phase::Ramping { since: now });
    }
}
