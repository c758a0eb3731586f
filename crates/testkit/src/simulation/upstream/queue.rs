use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
};

use super::{Id, Nanos, Progress, Table, Upstream, Work};

/// M/G/k: so many servers, and a queue before them without a bound, first come first served.
#[derive(Debug)]
pub(crate) struct Queue {
    slots: usize,
    slow: f64,
    /// What begins while no server is busy takes longer by this share, and less so the more are busy.
    cold: f64,
    busy: usize,
    /// The urgent before the others.
    waiting: [VecDeque<Id>; 2],
    exchanges: Table<State>,
    ends: BinaryHeap<Reverse<(Nanos, Id, bool)>>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Waiting { since: Nanos, work: Work },
    Served { rest: Nanos, waited: Nanos },
}

impl Queue {
    pub(crate) fn new(cold: f64) -> Self {
        Self {
            slots: 0,
            slow: 1.0,
            cold,
            busy: 0,
            waiting: Default::default(),
            exchanges: Table::new(),
            ends: BinaryHeap::new(),
        }
    }

    fn begin(&mut self, now: Nanos) {
        while self.busy < self.slots {
            let Some(id) = self.waiting.iter_mut().find_map(VecDeque::pop_front) else { return };
            // Whoever was withdrawn from the queue is still in it.
            let Some(state) = self.exchanges.get(id) else { continue };
            let State::Waiting { since, work } = *state else { continue };
            let idle = 1.0 - self.busy as f64 / self.slots as f64;
            let factor = self.slow * (1.0 + self.cold * idle);
            let scaled = |time: Nanos| (time as f64 * factor) as Nanos;
            *state = State::Served { rest: scaled(work.rest), waited: now - since };
            self.busy += 1;
            self.ends.push(Reverse((now + scaled(work.first), id, false)));
        }
    }
}

impl Upstream for Queue {
    fn offer(&mut self, now: Nanos, id: Id, work: &Work) -> bool {
        self.exchanges.insert(id, State::Waiting { since: now, work: *work });
        self.waiting[usize::from(!work.urgent)].push_back(id);
        self.begin(now);
        true
    }

    fn withdraw(&mut self, now: Nanos, id: Id) {
        if let Some(State::Served { .. }) = self.exchanges.remove(id) {
            self.busy -= 1;
            self.begin(now);
        }
    }

    fn next(&mut self) -> Option<Nanos> {
        while let Some(&Reverse((at, id, _))) = self.ends.peek() {
            if self.exchanges.get(id).is_some() {
                return Some(at);
            }
            self.ends.pop();
        }
        None
    }

    fn advance(&mut self, now: Nanos) -> Option<(Id, Progress)> {
        let Reverse((_, id, began)) = self.ends.pop()?;
        let &mut State::Served { rest, waited } = self.exchanges.get(id)? else { return None };
        if !began {
            self.ends.push(Reverse((now + rest, id, true)));
            return Some((id, Progress::FirstToken { waited }));
        }
        self.exchanges.remove(id);
        self.busy -= 1;
        self.begin(now);
        Some((id, Progress::End))
    }

    fn reshape(&mut self, now: Nanos, slots: f64, slow: f64) {
        (self.slots, self.slow) = (slots as usize, slow);
        self.begin(now);
    }
}
