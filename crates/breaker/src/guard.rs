use dashpot_body::{End, Guard, Verdict};
use dashpot_core::Outcome;
use http::HeaderMap;

use crate::permit::Permit;

/// Holds a permit to the end of an answer's body, which decides what the call has shown.
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
    fn pending(&mut self) {
        self.permit.pending();
    }

    fn data(&mut self) {
        self.permit.progress();
        if self.permit.awaits_first() {
            // Where a layer further in reads the events, the first that is content counts: a server may begin with a ping.
            let is_content = !self.verdict.is_stream()
                || self.verdict.report().is_none_or(|report| report.first_content().is_some());
            if is_content {
                self.permit.first();
                if self.verdict.is_stream() && self.verdict.stated().is_none() {
                    self.permit.streams();
                }
            }
        }
    }

    fn trailers(&mut self, trailers: &HeaderMap) {
        self.verdict.trailers(trailers);
    }

    fn end(mut self, end: End) {
        let outcome = self.verdict.outcome(end);
        if end == End::Dropped && outcome == Outcome::Ignored {
            // The permit knows whether it was for good reason.
            return;
        }
        if self.permit.awaits_first() && end == End::Complete {
            self.permit.first();
        }
        self.permit.end(outcome);
    }
}
