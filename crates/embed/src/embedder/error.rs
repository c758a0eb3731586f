use std::{error::Error, fmt};

/// Why an [`Embedder`](crate::Embedder) did not embed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EmbedderError {
    /// There is no room for the texts among those that wait.
    Full,
    /// The model panicked at them.
    Panicked,
}

impl fmt::Display for EmbedderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "too many texts wait to be embedded",
            Self::Panicked => "the model panicked",
        })
    }
}

impl Error for EmbedderError {}
