use std::{error::Error, fmt};

use crate::{Classify, Outcome, Rejection};

/// Why a call to a service that is not HTTP gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError<E> {
    /// A layer of ours refused it.
    Refused(Rejection),
    /// The inner service's own error, unchanged.
    Inner(E),
}

impl<E: fmt::Display> fmt::Display for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(rejection) => rejection.fmt(f),
            Self::Inner(error) => error.fmt(f),
        }
    }
}

impl<E: Error + 'static> Error for CallError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Refused(_) => None,
            // Displayed as that error itself, so its source is this one's.
            Self::Inner(error) => error.source(),
        }
    }
}

/// Takes every answer for a success and every error for a failure.
///
/// For services that are not HTTP, and whose answers say nothing about how much there is to do.
#[derive(Clone, Copy, Debug, Default)]
pub struct ResultClassify;

impl<R, E> Classify<R, E> for ResultClassify {
    fn response(&self, _: &R) -> Option<Outcome> {
        Some(Outcome::Success)
    }

    fn error(&self, _: &E) -> Outcome {
        Outcome::Failure
    }
}
