use std::{error::Error, fmt};

use crate::Clock;

/// Why a body broke off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyError<E> {
    /// A clock ran out.
    Late(Clock),
    /// The inner body's own error, unchanged.
    Inner(E),
}

impl<E: fmt::Display> fmt::Display for BodyError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late(clock) => f.write_str(clock.reason()),
            Self::Inner(error) => error.fmt(f),
        }
    }
}

impl<E: Error + 'static> Error for BodyError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Late(_) => None,
            // Displayed as that error itself, so its source is this one's.
            Self::Inner(error) => error.source(),
        }
    }
}
