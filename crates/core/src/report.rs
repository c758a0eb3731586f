use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::Outcome;

/// What a layer that understands a response body has seen of it so far; in the response's extensions.
///
/// The layer nearest to the upstream writes it while the body passes; outer layers, which know only that a body ended,
/// read it at that moment: a stream can end in order and yet have failed. Every value is written before the frame
/// that showed it goes out, by the task that polls the body, which is also the one that reads it.
#[derive(Clone, Debug, Default)]
pub struct BodyReport(Arc<Cells>);

/// Zero means "not known"; a value is kept plus one.
#[derive(Debug, Default)]
struct Cells {
    outcome: AtomicU8,
    first_content_nanos: AtomicU64,
    input_tokens: AtomicU64,
    output_tokens: AtomicU64,
}

impl BodyReport {
    /// How the body ended by its own protocol; `None` while it has not, or when nobody understands it.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        Some(match self.0.outcome.load(Relaxed) {
            1 => Outcome::Success,
            2 => Outcome::Failure,
            3 => Outcome::Overload { retry_after: None },
            4 => Outcome::RateLimited { quota: false, retry_after: None },
            5 => Outcome::RateLimited { quota: true, retry_after: None },
            6 => Outcome::Ignored,
            _ => return None,
        })
    }

    /// Says how the body ended. A wait is not kept: a body has no place for one.
    pub fn set_outcome(&self, outcome: Outcome) {
        let code = match outcome {
            Outcome::Success => 1,
            Outcome::Failure => 2,
            Outcome::Overload { .. } => 3,
            Outcome::RateLimited { quota: false, .. } => 4,
            Outcome::RateLimited { quota: true, .. } => 5,
            Outcome::Ignored => 6,
        };
        self.0.outcome.store(code, Relaxed);
    }

    /// From the call to the first content token.
    #[must_use]
    pub fn first_content(&self) -> Option<Duration> {
        read(&self.0.first_content_nanos).map(Duration::from_nanos)
    }

    /// Says when the first content token came, counted from the call.
    pub fn set_first_content(&self, after: Duration) {
        write(&self.0.first_content_nanos, u64::try_from(after.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Tokens that the upstream says it read.
    #[must_use]
    pub fn input_tokens(&self) -> Option<u64> {
        read(&self.0.input_tokens)
    }

    /// Says how many tokens the upstream read.
    pub fn set_input_tokens(&self, tokens: u64) {
        write(&self.0.input_tokens, tokens);
    }

    /// Tokens that the upstream says it wrote.
    #[must_use]
    pub fn output_tokens(&self) -> Option<u64> {
        read(&self.0.output_tokens)
    }

    /// Says how many tokens the upstream wrote.
    pub fn set_output_tokens(&self, tokens: u64) {
        write(&self.0.output_tokens, tokens);
    }
}

// Relaxed: each cell stands alone, and no other memory is published through it.
fn read(cell: &AtomicU64) -> Option<u64> {
    cell.load(Relaxed).checked_sub(1)
}

fn write(cell: &AtomicU64, value: u64) {
    cell.store(value.saturating_add(1), Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_reads_what_was_written() {
        let report = BodyReport::default();
        let reader = report.clone();
        assert_eq!(reader.outcome(), None);
        assert_eq!(reader.first_content(), None);
        assert_eq!(reader.output_tokens(), None);
        report.set_first_content(Duration::ZERO);
        report.set_input_tokens(7);
        report.set_output_tokens(0);
        assert_eq!(reader.first_content(), Some(Duration::ZERO));
        assert_eq!(reader.input_tokens(), Some(7));
        assert_eq!(reader.output_tokens(), Some(0));
        for outcome in [
            Outcome::Success,
            Outcome::Failure,
            Outcome::Overload { retry_after: None },
            Outcome::RateLimited { quota: false, retry_after: None },
            Outcome::RateLimited { quota: true, retry_after: None },
            Outcome::Ignored,
        ] {
            report.set_outcome(outcome);
            assert_eq!(reader.outcome(), Some(outcome));
        }
    }
}
