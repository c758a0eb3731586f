#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::Memory;
use crate::resume::store::{End, Next};

/// So much may wait for the fastest follower before the upstream is read on: about what a server writes at once.
const AHEAD: u64 = 16 << 10;

/// So many may follow one stream: each event looks at each of them.
const FOLLOWERS: usize = 32;

/// The newest part of one stream, and where its followers are. Told the time; wakes nobody.
#[derive(Debug)]
pub(super) struct Ring {
    capacity: usize,
    entries: VecDeque<Entry>,
    /// What the entries cost.
    cost: usize,
    /// The place in the stream of the first entry, and of the one after the last.
    first: u64,
    next: u64,
    /// The number of the last event.
    last_event: u64,
    /// What all entries so far have cost.
    written: u64,
    followers: Vec<Place>,
    next_follower: u64,
    /// When the last follower left, if there is none.
    alone_since: Option<Instant>,
    gave_up: bool,
    end: Option<End>,
}

#[derive(Debug)]
struct Entry {
    /// Its number; of what stands between two events, that of the next.
    event: u64,
    bytes: Bytes,
}

impl Entry {
    fn cost(&self) -> usize {
        self.bytes.len() + Memory::PER_EVENT
    }
}

/// Where a follower is.
#[derive(Debug)]
struct Place {
    follower: u64,
    at: u64,
    /// What all before that have cost.
    read: u64,
}

/// Whether the upstream is to be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Yes,
    /// There is more than can be read, or kept, now.
    No,
    /// The same, but only until then: nobody follows.
    Until(Instant, bool),
    Never,
}

/// What is there for who comes back.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Join {
    Follower(u64),
    Over,
    Broken,
    Gone,
}

impl Ring {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            entries: VecDeque::new(),
            cost: 0,
            first: 0,
            next: 0,
            last_event: 0,
            written: 0,
            followers: Vec::new(),
            next_follower: 0,
            alone_since: None,
            gave_up: false,
            end: None,
        }
    }

    pub(super) fn cost(&self) -> usize {
        self.cost
    }

    /// Adds an event, or what stands between two.
    pub(super) fn append(&mut self, event: Option<u64>, bytes: Bytes) {
        self.last_event = event.unwrap_or(self.last_event);
        let entry = Entry { event: event.unwrap_or(self.last_event + 1), bytes };
        self.cost += entry.cost();
        self.written += entry.cost() as u64;
        self.next += 1;
        self.entries.push_back(entry);
        // Only what the fastest has read makes room: what nobody has read may be asked for. With nobody there nothing is
        // lost at all, since what was read may not have arrived.
        let read = self.fastest().map_or(0, |place| place.at);
        while self.cost > self.capacity && self.first < read {
            let Some(lost) = self.entries.pop_front() else { break };
            self.cost -= lost.cost();
            self.first += 1;
        }
    }

    /// A follower from the beginning.
    pub(super) fn follow(&mut self) -> u64 {
        self.place(0, 0)
    }

    /// A follower of what comes after event number `after`.
    pub(super) fn join(&mut self, after: u64) -> Join {
        // What stands before an event may have fallen out without it.
        let first_event = self.entries.front().map_or(self.last_event + 1, |entry| entry.event);
        if self.gave_up || after > self.last_event || after + 1 < first_event {
            return Join::Gone;
        }
        if after == self.last_event {
            // What may stand behind the last event is none, and nothing to come back for.
            match self.end {
                Some(End::Complete(None)) => return Join::Over,
                Some(End::Broken) => return Join::Broken,
                Some(End::Complete(Some(_))) | None => {}
            }
        }
        let skipped = self.entries.partition_point(|entry| entry.event <= after);
        let left: usize = self.entries.range(skipped..).map(Entry::cost).sum();
        Join::Follower(self.place(self.first + skipped as u64, self.written - left as u64))
    }

    fn place(&mut self, at: u64, read: u64) -> u64 {
        if self.followers.len() == FOLLOWERS {
            // The oldest is most likely one that is gone and not yet missed.
            self.followers.remove(0);
        }
        let follower = self.next_follower;
        self.next_follower += 1;
        self.followers.push(Place { follower, at, read });
        follower
    }

    /// A follower leaves.
    pub(super) fn leave(&mut self, follower: u64, now: Instant) {
        let before = self.followers.len();
        self.followers.retain(|place| place.follower != follower);
        if self.followers.is_empty() && before > 0 {
            self.alone_since = Some(now);
        }
    }

    /// What comes next for a follower, if it is there.
    pub(super) fn read(&mut self, follower: u64) -> Option<Next> {
        let place = self.followers.iter_mut().find(|place| place.follower == follower);
        // It is too slow, or had to make place.
        let Some(place) = place.filter(|place| place.at >= self.first) else { return Some(Next::Overtaken) };
        let at = place.at - self.first;
        let Some(entry) = self.entries.get(usize::try_from(at).ok()?) else {
            return self.end.clone().map(Next::End);
        };
        place.at += 1;
        place.read += entry.cost() as u64;
        Some(Next::Bytes(entry.bytes.clone()))
    }

    pub(super) fn is_over_for(&self, follower: u64) -> bool {
        let place = self.followers.iter().find(|place| place.follower == follower);
        matches!(self.end, Some(End::Complete(None))) && place.is_some_and(|place| place.at == self.next)
    }

    pub(super) fn wanted(&self, grace: Duration) -> Wanted {
        if let Some(fastest) = self.fastest() {
            let waiting = self.written - fastest.read;
            // What waits cannot fall out, so it must not be more than there is room for.
            return if waiting < AHEAD.min(self.capacity as u64) { Wanted::Yes } else { Wanted::No };
        }
        match self.alone_since {
            _ if self.gave_up => Wanted::Never,
            Some(since) => Wanted::Until(since + grace, self.cost < self.capacity),
            // Nobody has come yet.
            None => Wanted::Yes,
        }
    }

    pub(super) fn give_up(&mut self) {
        self.gave_up = true;
    }

    pub(super) fn end(&mut self, end: End) {
        self.end = Some(end);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.end.is_some()
    }

    fn fastest(&self) -> Option<&Place> {
        self.followers.iter().max_by_key(|place| place.at)
    }
}
