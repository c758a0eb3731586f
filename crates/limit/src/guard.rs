use dashpot_body::{End, Guard, Verdict};
use dashpot_core::Outcome;
use http::HeaderMap;

use crate::{permit::Permit, policy::Signal};

/// Holds a permit to the end of an answer's body, and tells it what came when.
#[derive(Debug)]
pub(crate) struct Held<C> {
    permit: Permit,
    verdict: Verdict<C>,
}

impl<C> Held<C> {
    pub(crate) fn new(permit: Permit, verdict: Verdict<C>) -> Self {
        Self { permit, verdict }
    }
}

impl<C> Guard for Held<C> {
    fn data(&mut self) {
        if !self.permit.awaits_first() {
            return;
        }
        // Where a layer further in reads the events, the first that is content counts: a server may begin with a ping.
        let is_content = !self.verdict.is_stream()
            || self.verdict.report().is_none_or(|report| report.first_content().is_some());
        if is_content {
            let may_succeed = matches!(self.verdict.stated(), None | Some(Outcome::Success));
            let is_signal = self.verdict.is_stream() && may_succeed;
            self.permit.first(is_signal.then_some(Signal::FirstToken));
        }
    }

    fn release(&mut self) {
        self.permit.release();
    }

    fn trailers(&mut self, trailers: &HeaderMap) {
        self.verdict.trailers(trailers);
    }

    fn end(self, end: End) {
        let outcome = self.verdict.outcome(end);
        // What the stream has said counts, if it was of a failure: clients leave when they have read that.
        let is_told = !matches!(outcome, Outcome::Ignored | Outcome::Success);
        if end == End::Dropped && !is_told && self.verdict.stated().is_none() && self.permit.awaits_first() {
            // Dropping the permit tells that the client has left.
            return;
        }
        let latency = (!self.verdict.is_stream()).then(|| {
            let tokens = self.verdict.report().and_then(|report| report.output_tokens());
            Signal::Latency { output_tokens: tokens.and_then(|tokens| tokens.try_into().ok()) }
        });
        self.permit.end(outcome, latency);
    }
}
