use std::{cmp::Reverse, collections::BinaryHeap};

use super::{Id, Nanos, Progress, Table, Upstream, Work};

/// Processor sharing: all are worked on at once, and each the slower the more there are beyond the knee.
#[derive(Debug)]
pub(crate) struct Sharing {
    knee: f64,
    slow: f64,
    running: usize,
    /// Own time that each exchange has had since the beginning, if it were there since then.
    work: f64,
    at: Nanos,
    exchanges: Table<State>,
    ends: BinaryHeap<Reverse<(Nanos, Id, bool)>>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    since: Nanos,
    first: Nanos,
    rest: Nanos,
}

impl Sharing {
    pub(crate) fn new() -> Self {
        Self {
            knee: 1.0,
            slow: 1.0,
            running: 0,
            work: 0.0,
            at: 0,
            exchanges: Table::new(),
            ends: BinaryHeap::new(),
        }
    }

    fn rate(&self) -> f64 {
        (self.knee / self.running as f64).min(1.0) / self.slow
    }

    fn catch_up(&mut self, now: Nanos) {
        if self.running > 0 {
            self.work += (now - self.at) as f64 * self.rate();
        }
        self.at = now;
    }
}

impl Upstream for Sharing {
    fn offer(&mut self, now: Nanos, id: Id, work: &Work) -> bool {
        self.catch_up(now);
        self.running += 1;
        self.exchanges.insert(id, State { since: now, first: work.first, rest: work.rest });
        self.ends.push(Reverse((self.work as Nanos + work.first, id, false)));
        true
    }

    fn withdraw(&mut self, now: Nanos, id: Id) {
        self.catch_up(now);
        if self.exchanges.remove(id).is_some() {
            self.running -= 1;
        }
    }

    fn next(&mut self) -> Option<Nanos> {
        while let Some(&Reverse((work, id, _))) = self.ends.peek() {
            if self.exchanges.get(id).is_some() {
                let left = (work as f64 - self.work).max(0.0);
                return Some(self.at + (left / self.rate()).ceil() as Nanos);
            }
            self.ends.pop();
        }
        None
    }

    fn advance(&mut self, now: Nanos) -> Option<(Id, Progress)> {
        self.catch_up(now);
        let Reverse((work, id, began)) = self.ends.pop()?;
        let state = *self.exchanges.get(id)?;
        if !began {
            self.ends.push(Reverse((work + state.rest, id, true)));
            let own = (state.first as f64 * self.slow) as Nanos;
            return Some((id, Progress::FirstToken { waited: (now - state.since).saturating_sub(own) }));
        }
        self.exchanges.remove(id);
        self.running -= 1;
        Some((id, Progress::End))
    }

    fn reshape(&mut self, now: Nanos, slots: f64, slow: f64) {
        self.catch_up(now);
        (self.knee, self.slow) = (slots, slow);
    }
}
