use std::{
    error::Error,
    fmt,
    path::{Path, PathBuf},
};

/// A model that cannot be used: one of its files is missing, or is not what it should be.
#[derive(Debug)]
pub struct LoadError {
    file: PathBuf,
    reason: String,
}

impl LoadError {
    pub(crate) fn new(file: &Path, reason: impl fmt::Display) -> Self {
        Self { file: file.into(), reason: reason.to_string() }
    }

    /// The file that is missing or wrong.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot load {}: {}", self.file.display(), self.reason)
    }
}

impl Error for LoadError {}

/// What is wrong with a file.
#[derive(Debug)]
pub(crate) struct Unfit(pub(crate) String);

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
