use std::fmt;

use super::Nanos;

/// What limits concurrency, as the simulation sees it. All counts of exchanges in flight are after the event.
pub trait Controller: fmt::Debug {
    /// How many exchanges may be in flight now; less than 1 counts as 1.
    fn limit(&self) -> u32;

    /// An exchange was admitted.
    fn admitted(&mut self, _now: Nanos, _in_flight: u32) {}

    /// A request was refused, as the limit was reached.
    fn refused(&mut self, _now: Nanos, _in_flight: u32) {}

    /// The first token of a stream came.
    fn first_token(&mut self, _now: Nanos, _exchange: &Exchange, _in_flight: u32) {}

    /// The answer was complete and good.
    fn completed(&mut self, _now: Nanos, _exchange: &Exchange, _in_flight: u32) {}

    /// The upstream answered that it has too much to do.
    fn overload(&mut self, _now: Nanos, _exchange: &Exchange, _in_flight: u32) {}

    /// The exchange failed, which says nothing of load.
    fn failed(&mut self, _now: Nanos, _exchange: &Exchange, _in_flight: u32) {}

    /// The client left, before or after the first token.
    fn left(&mut self, _now: Nanos, _exchange: &Exchange, _in_flight: u32) {}

    /// The truth, for those that cheat: how many exchanges fill the upstream from now on.
    fn truth(&mut self, _now: Nanos, _limit: f64) {}
}

/// One exchange that was admitted.
#[derive(Clone, Copy, Debug)]
pub struct Exchange {
    /// When.
    pub admitted: Nanos,
    /// How many were in flight then, with this one.
    pub in_flight: u32,
    /// The length of the prompt in tokens; 0 if there is none to know.
    pub prompt: u32,
    /// Tokens of the whole answer, if the answer would tell.
    pub output_tokens: Option<u32>,
    /// Whether the answer is a stream, so that the first token can be seen.
    pub streamed: bool,
    /// When the first token of the stream came.
    pub first_token: Option<Nanos>,
}

/// Never more than the upstream can take at that moment: the limit that somebody would set who knew everything.
#[derive(Debug)]
pub struct Oracle {
    limit: u32,
}

impl Oracle {
    /// Learns the limit before the first request comes.
    #[must_use]
    pub fn new() -> Self {
        Self { limit: 1 }
    }
}

impl Default for Oracle {
    fn default() -> Self {
        Self::new()
    }
}

impl Controller for Oracle {
    fn limit(&self) -> u32 {
        self.limit
    }

    fn truth(&mut self, _: Nanos, limit: f64) {
        self.limit = limit.round() as u32;
    }
}
