use std::{cmp::Reverse, collections::BinaryHeap};

use super::{Nanos, upstream::Id};

/// What is to happen, by time; what was set first comes first.
#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<Timer>>,
    /// Orders timers of the same time.
    sequence: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Timer {
    at: Nanos,
    sequence: u64,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    Tick,
    Phase(usize),
    /// The client has waited long enough.
    Patience(Id),
    /// The client leaves for reasons of its own.
    Leaves(Id),
    /// What does not come from the upstream comes.
    Answer(Id),
    /// The client of an exchange that is over tries again.
    Retry(Id),
}

impl Timers {
    pub(super) fn set(&mut self, at: Nanos, what: What) {
        self.sequence += 1;
        self.heap.push(Reverse(Timer { at, sequence: self.sequence, what }));
    }

    pub(super) fn next(&self) -> Option<Nanos> {
        self.heap.peek().map(|Reverse(timer)| timer.at)
    }

    pub(super) fn pop(&mut self) -> Option<What> {
        self.heap.pop().map(|Reverse(timer)| timer.what)
    }
}
