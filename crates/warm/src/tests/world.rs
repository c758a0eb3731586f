//! A machine with all that happens around it, and what must be true whatever that is.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::origin;
use crate::{
    WarmState,
    machine::{Arrival, Due, Load, Machine, Next, Step},
    policy::{Budget, Moment, Policy},
    rules::{Ramp, Rules},
};

pub(super) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// What may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Arrive,
    /// One body is over.
    End,
    /// One who waits leaves.
    Leave,
    /// The step that is under way is done.
    Done,
    /// It did not work.
    Fail,
    /// It is as late as it wanted to be woken; or a minute later.
    Wake,
    /// A little later.
    Moment,
    /// An answer shows that the upstream is not there.
    Lose,
    /// The upstream has ended.
    Exit,
    Cool,
    Warm,
}

pub(super) const EVENTS: [Event; 11] = [
    Event::Arrive,
    Event::End,
    Event::Leave,
    Event::Done,
    Event::Fail,
    Event::Wake,
    Event::Moment,
    Event::Lose,
    Event::Exit,
    Event::Cool,
    Event::Warm,
];

pub(super) struct World {
    pub(super) machine: Machine,
    pub(super) now: Instant,
    pub(super) load: Load,
    pub(super) next: Next,
    rules: Arc<Rules>,
    /// A step that began and has not been done.
    open: Option<Due>,
    /// Since when nothing new goes to the upstream.
    shut_since: Instant,
    /// Since when it is ready and nobody uses it.
    idle_since: Option<Instant>,
    /// When it was warm for nothing: from, until.
    pub(super) idle: Vec<(Instant, Instant)>,
    pub(super) starts: u32,
}

const MAX_WAITING: u32 = 3;
const DRAIN: Duration = secs(20);

impl World {
    pub(super) fn new(
        policy: impl Policy + 'static,
        budget: Option<Budget>,
        sleep: Option<Duration>,
    ) -> Self {
        let now = origin();
        let rules = Arc::new(Rules {
            start_timeout: secs(100),
            ramp: Ramp { window: secs(4), start: 1, target: 4 },
            drain: DRAIN,
            sleep,
            ..Rules::default()
        });
        let moment = Moment { at: now, unix: secs(0) };
        let mut machine = Machine::new(rules.clone(), Box::new(policy), budget, moment, 7);
        let load = Load { in_flight: 0, waiting: 0 };
        let next = machine.advance(now, load);
        Self {
            machine,
            now,
            load,
            next,
            rules,
            open: None,
            shut_since: now,
            idle_since: None,
            idle: Vec::new(),
            starts: 0,
        }
    }

    pub(super) fn is_serving(&self) -> bool {
        self.machine.state().is_ready()
    }

    pub(super) fn happens(&mut self, event: Event) {
        let was_serving = self.is_serving();
        match event {
            Event::Arrive => {
                self.used();
                match self.machine.arrives(self.now, self.load) {
                    Arrival::Pass { .. } => {
                        assert!(self.is_serving(), "it passes though the upstream is not ready");
                        assert_eq!(self.load.waiting, 0, "it overtakes those who wait");
                        self.load.in_flight += 1;
                    }
                    Arrival::Hold if self.load.waiting < MAX_WAITING => {
                        self.machine.held();
                        self.load.waiting += 1;
                    }
                    Arrival::Hold => self.machine.refused(),
                }
            }
            Event::End if self.load.in_flight > 0 => self.load.in_flight -= 1,
            Event::Leave if self.load.waiting > 0 => self.load.waiting -= 1,
            Event::Done | Event::Fail => {
                if let Some(due) = self.next.due {
                    self.open = None;
                    self.machine.finished(due.id, event == Event::Done, self.now);
                }
            }
            Event::Wake => self.now = self.next.wake_at.unwrap_or(self.now + secs(60)).max(self.now),
            Event::Moment => self.now = (self.now + Duration::from_millis(300)).min(self.latest()),
            Event::Lose => self.machine.lost(self.machine.generation(), self.now),
            Event::Exit if self.next.is_up => self.machine.exited(self.now),
            Event::Cool => self.machine.cool(self.now, self.load),
            Event::Warm => self.machine.warm(self.now),
            Event::End | Event::Leave | Event::Exit => return,
        }
        self.settles(was_serving);
    }

    /// Whoever drives it is never late.
    fn latest(&self) -> Instant {
        self.next.wake_at.unwrap_or(self.now + secs(60)).max(self.now)
    }

    /// As whoever drives it does after everything that happens.
    fn settles(&mut self, was_serving: bool) {
        for turn in 0.. {
            assert!(turn < 10, "it does not come to rest");
            self.next = self.machine.advance(self.now, self.load);
            let room = self.machine.room(self.now, self.load);
            if room == 0 {
                break;
            }
            assert!(self.is_serving(), "those who wait go though the upstream is not ready");
            self.load.waiting -= room;
            self.load.in_flight += room;
        }
        if was_serving && !self.is_serving() {
            self.shut_since = self.now;
            self.idle_ends();
        }
        self.check_step();
        self.check_state();
    }

    fn check_step(&mut self) {
        let Next { due, wake_at, is_over, .. } = self.next;
        if due != self.open {
            if let (Some(old), Some(new)) = (self.open, due) {
                let was_late = self.now >= old.since() + secs(60);
                let ends = matches!(new.step, Step::Stop | Step::Sleep);
                assert!(ends || was_late, "{:?} begins while {:?} is under way", new.step, old.step);
            }
            match due.map(|due| due.step) {
                Some(Step::Start | Step::Wake) => self.starts += 1,
                Some(Step::Stop | Step::Sleep) => {
                    let waited = self.now - self.shut_since;
                    assert!(self.load.in_flight == 0 || waited >= DRAIN, "it stops under a live body");
                }
                _ => {}
            }
            self.open = due;
        }
        if self.load.waiting > 0 {
            assert!(!is_over && (due.is_some() || wake_at.is_some()), "nobody comes for those who wait");
        }
        assert!(wake_at.is_none_or(|at| at > self.now) || due.is_some(), "it wants to be woken now");
    }

    fn check_state(&mut self) {
        let is_used = self.load.in_flight > 0 || self.load.waiting > 0;
        if self.machine.is_open() {
            assert_eq!(self.machine.state(), WarmState::Warm);
            assert!(is_used, "it is open though nobody uses it");
        }
        if self.is_serving() && !is_used {
            self.idle_since.get_or_insert(self.now);
        } else {
            self.used();
        }
        if self.rules.sleep.is_none() {
            assert_ne!(self.machine.state(), WarmState::Sleeping);
        }
    }

    fn used(&mut self) {
        if self.load.in_flight > 0 || self.load.waiting > 0 || self.idle_since.is_some() {
            self.idle_ends();
        }
    }

    fn idle_ends(&mut self) {
        if let Some(since) = self.idle_since.take() {
            self.idle.push((since, self.now));
        }
    }

    /// From here on all goes well: whoever waits must get an answer.
    pub(super) fn ends_well(&mut self) {
        for _ in 0..200 {
            if self.load == (Load { in_flight: 0, waiting: 0 }) {
                return;
            }
            if self.load.in_flight > 0 {
                self.happens(Event::End);
            }
            self.happens(if self.next.due.is_some() { Event::Done } else { Event::Wake });
        }
        panic!("{:?} wait for ever in {:?}", self.load, self.machine);
    }
}
