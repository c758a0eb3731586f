use dashpot_core::{BodyReport, Outcome};
use dashpot_wire::{
    dialect::{Dialect, StreamReader},
    sse::Sink,
};

/// What is read of an answer that comes whole: how many tokens it took, and whether an error means that an allowance is
/// spent, which its status does not tell.
///
/// In every dialect the fields that say so are those of the events of a stream, so one reader reads both.
pub(crate) struct Whole {
    report: BodyReport,
    reader: StreamReader,
}

impl Whole {
    pub(crate) fn new(dialect: Dialect, report: BodyReport) -> Self {
        Self { report, reader: StreamReader::new(Some(dialect)) }
    }

    pub(crate) fn data(&mut self, data: &[u8]) {
        self.reader.data(data);
    }

    /// All of it has passed.
    pub(crate) fn end(mut self) {
        self.reader.dispatch(b"");
        let usage = self.reader.usage();
        if let Some(tokens) = usage.input_tokens {
            self.report.set_input_tokens(tokens);
        }
        if let Some(tokens) = usage.output_tokens {
            self.report.set_output_tokens(tokens);
        }
        // Any other error has a status of its own.
        if let Some(outcome @ Outcome::RateLimited { quota: true, .. }) = self.reader.error() {
            self.report.set_outcome(outcome);
        }
    }
}
