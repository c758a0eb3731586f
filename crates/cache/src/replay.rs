use std::{
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::Bytes;
use dashpot_body::Timer;
use memchr::memmem;

/// A kept answer on its way out: all of it at once, or event by event.
#[derive(Debug)]
pub(crate) struct Replay {
    rest: Bytes,
    pace: Option<Pace>,
}

#[derive(Debug)]
struct Pace {
    gap: Duration,
    next: Option<Instant>,
    timer: Timer,
}

impl Replay {
    pub(crate) fn at_once(answer: Bytes) -> Self {
        Self { rest: answer, pace: None }
    }

    /// With so much time between two events of a stream.
    pub(crate) fn paced(answer: Bytes, gap: Duration) -> Self {
        Self { rest: answer, pace: Some(Pace { gap, next: None, timer: Timer::default() }) }
    }

    /// How many bytes are to come.
    pub(crate) fn left(&self) -> u64 {
        self.rest.len() as u64
    }

    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let Some(pace) = &mut self.pace else {
            return Poll::Ready(Some(std::mem::take(&mut self.rest)));
        };
        if let Some(next) = pace.next {
            ready!(pace.timer.poll(next, cx));
        }
        pace.next = crate::now().checked_add(pace.gap);
        // What was kept was written by us, or is a whole stream of a known shape: its events end with an empty line.
        let event = memmem::find(&self.rest, b"\n\n").map_or(self.rest.len(), |at| at + 2);
        Poll::Ready(Some(self.rest.split_to(event)))
    }
}
