use std::{fmt, fs, path::Path};

use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::LoadError;

/// Where the files of a model are. Its errors name the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Folder<'f>(pub(crate) &'f Path);

impl Folder<'_> {
    pub(crate) fn read(self, name: &str) -> Result<Vec<u8>, LoadError> {
        read(&self.0.join(name))
    }

    pub(crate) fn json<T: DeserializeOwned>(self, name: &str) -> Result<T, LoadError> {
        serde_json::from_slice(&self.read(name)?).map_err(|error| self.unfit(name, error))
    }

    /// The error that something is wrong with this file.
    pub(crate) fn unfit(self, name: &str, reason: impl fmt::Display) -> LoadError {
        LoadError::new(&self.0.join(name), reason)
    }
}

pub(crate) fn read(file: &Path) -> Result<Vec<u8>, LoadError> {
    fs::read(file).map_err(|error| LoadError::new(file, error))
}

/// Enough of the SHA-256 of some files, one after the other, to tell models apart.
pub(crate) fn digest(files: [&[u8]; 2]) -> String {
    let digest = files.into_iter().fold(Sha256::new(), Sha256::chain_update).finalize();
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
