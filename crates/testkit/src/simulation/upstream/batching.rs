use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
};

use super::{Id, Nanos, Progress, Table, Upstream, Work};
use crate::simulation::{Batch, millis};

/// A model server that works in batches: a request needs a slot and room for its tokens, reads its prompt, and then
/// gets its tokens the slower the more others are written at the same time. Few wait; the others are answered 503.
#[derive(Debug)]
pub(crate) struct Batching {
    batch: Batch,
    slots: usize,
    slow: f64,
    running: usize,
    tokens: u64,
    waiting: VecDeque<Id>,
    queued: usize,
    exchanges: Table<State>,
    prefills: BinaryHeap<Reverse<(Nanos, Id)>>,
    /// By the count of tokens, since the beginning, at which they end.
    decodes: BinaryHeap<Reverse<(Micro, Id)>>,
    written: f64,
    decoding: usize,
    at: Nanos,
}

/// Millionths of a token.
type Micro = u64;

#[derive(Clone, Copy, Debug)]
struct State {
    since: Nanos,
    waited: Nanos,
    prompt: u32,
    output: u32,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Waiting,
    Prefill,
    Decode,
}

impl Batching {
    pub(crate) fn new(batch: Batch) -> Self {
        Self {
            batch,
            slots: 0,
            slow: 1.0,
            running: 0,
            tokens: 0,
            waiting: VecDeque::new(),
            queued: 0,
            exchanges: Table::new(),
            prefills: BinaryHeap::new(),
            decodes: BinaryHeap::new(),
            written: 0.0,
            decoding: 0,
            at: 0,
        }
    }

    /// Tokens of one exchange in one nanosecond.
    fn rate(&self) -> f64 {
        1.0 / (self.batch.gap_ms(self.running as f64) * 1e6 * self.slow)
    }

    fn catch_up(&mut self, now: Nanos) {
        if self.decoding > 0 {
            self.written += (now - self.at) as f64 * self.rate();
        }
        self.at = now;
    }

    fn begin(&mut self, now: Nanos) {
        while self.running < self.slots {
            let Some(&id) = self.waiting.front() else { return };
            let Some(state) = self.exchanges.get(id) else {
                self.waiting.pop_front();
                continue;
            };
            let tokens = u64::from(state.prompt + state.output);
            // One that alone is too large would wait for ever.
            if self.running > 0 && self.tokens + tokens > self.batch.kv_tokens {
                return;
            }
            self.waiting.pop_front();
            state.stage = Stage::Prefill;
            state.waited = now - state.since;
            let prefill = millis(self.batch.prefill_ms(f64::from(state.prompt)) * self.slow);
            self.queued -= 1;
            self.running += 1;
            self.tokens += tokens;
            self.prefills.push(Reverse((now + prefill, id)));
        }
    }

    fn finish(&mut self, now: Nanos, state: State) {
        match state.stage {
            Stage::Waiting => self.queued -= 1,
            Stage::Prefill | Stage::Decode => {
                self.running -= 1;
                self.tokens -= u64::from(state.prompt + state.output);
                self.decoding -= usize::from(state.stage == Stage::Decode);
            }
        }
        self.begin(now);
    }
}

impl Upstream for Batching {
    fn offer(&mut self, now: Nanos, id: Id, work: &Work) -> bool {
        if self.queued >= self.batch.queue {
            return false;
        }
        self.catch_up(now);
        let state =
            State { since: now, waited: 0, prompt: work.prompt, output: work.output, stage: Stage::Waiting };
        self.exchanges.insert(id, state);
        self.waiting.push_back(id);
        self.queued += 1;
        self.begin(now);
        true
    }

    fn withdraw(&mut self, now: Nanos, id: Id) {
        self.catch_up(now);
        if let Some(state) = self.exchanges.remove(id) {
            self.finish(now, state);
        }
    }

    fn next(&mut self) -> Option<Nanos> {
        while self.prefills.peek().is_some_and(|Reverse((_, id))| self.exchanges.get(*id).is_none()) {
            self.prefills.pop();
        }
        while self.decodes.peek().is_some_and(|Reverse((_, id))| self.exchanges.get(*id).is_none()) {
            self.decodes.pop();
        }
        let prefill = self.prefills.peek().map(|Reverse((at, _))| *at);
        let decode = self.decodes.peek().map(|Reverse((end, _))| {
            let left = (*end as f64 / 1e6 - self.written).max(0.0);
            self.at + (left / self.rate()).ceil() as Nanos
        });
        match (prefill, decode) {
            (Some(prefill), Some(decode)) => Some(prefill.min(decode)),
            (prefill, decode) => prefill.or(decode),
        }
    }

    fn advance(&mut self, now: Nanos) -> Option<(Id, Progress)> {
        self.catch_up(now);
        if let Some(&Reverse((at, id))) = self.prefills.peek()
            && at <= now
        {
            self.prefills.pop();
            let state = self.exchanges.get(id)?;
            state.stage = Stage::Decode;
            let (waited, tokens) = (state.waited, f64::from(state.output));
            self.decoding += 1;
            self.decodes.push(Reverse((((self.written + tokens) * 1e6) as Micro, id)));
            return Some((id, Progress::FirstToken { waited }));
        }
        let Reverse((_, id)) = self.decodes.pop()?;
        let state = self.exchanges.remove(id)?;
        self.finish(now, state);
        Some((id, Progress::End))
    }

    fn reshape(&mut self, now: Nanos, slots: f64, slow: f64) {
        self.catch_up(now);
        (self.slots, self.slow) = (slots as usize, slow);
        self.begin(now);
    }
}
