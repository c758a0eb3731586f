use std::{error::Error, fmt};

use http::StatusCode;

/// An embeddings upstream answered that it does not embed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamError {
    status: StatusCode,
    message: String,
}

impl UpstreamError {
    pub(super) fn new(status: StatusCode, message: String) -> Self {
        Self { status, message }
    }

    /// The status it answered with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

impl fmt::Display for UpstreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the embeddings upstream answered {}: {}", self.status, self.message)
    }
}

impl Error for UpstreamError {}

/// An embeddings upstream answered what is no answer to the question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadAnswer(pub(super) String);

impl fmt::Display for BadAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the embeddings upstream's answer is wrong: {}", self.0)
    }
}

impl Error for BadAnswer {}
