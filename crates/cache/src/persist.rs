//! What a store holds, in a file between two runs.

mod record;

use std::{
    error::Error,
    fmt,
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read as _, Write as _},
    path::{Path, PathBuf},
    process,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use self::record::Record;
use crate::{Handle, MemoryStore, Store as _, now};

/// What a file begins with, and which form it has. Then comes when it was written, in milliseconds since 1970, and then a
/// record for each entry.
const MAGIC: &[u8; 16] = b"dashpot-cache 1\n";

impl Handle<MemoryStore> {
    /// Writes all entries to a file, in place of what it held, which stays if this fails; how many they were. What was
    /// [learned](crate::Learning) or [said](Self::feedback) about them is not written.
    ///
    /// It blocks: call it where that is no matter, as in `tokio::task::spawn_blocking`. The file holds questions and
    /// answers in the clear, and is made for its owner only.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: &Path) -> io::Result<u64> {
        let (file, temporary) = create_beside(path)?;
        let written = self.write(file).and_then(|count| fs::rename(&temporary, path).map(|()| count));
        if written.is_err() {
            // Best effort: the error is what matters.
            drop(fs::remove_file(&temporary));
        }
        written
    }

    fn write(&self, file: File) -> io::Result<u64> {
        let mut file = BufWriter::new(file);
        file.write_all(MAGIC)?;
        file.write_all(&unix_millis().to_le_bytes())?;
        let (now, mut count) = (now(), 0);
        for entry in self.store().entries() {
            Record::of(&entry, now).write(&mut file)?;
            count += 1;
        }
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        Ok(count)
    }

    /// Reads entries from a file that [`save`](Self::save) wrote, and how many they were; those that are past their time by
    /// now are left out. Questions that are similar to theirs are found again too. It is for the start: what is kept since
    /// then is replaced. The file is read between other tasks, and blocks them while it is.
    ///
    /// # Errors
    /// If the file cannot be read, was not written by this, or is broken; what comes before the break is read.
    pub async fn restore(&self, path: &Path) -> Result<u64, RestoreError> {
        let mut file = BufReader::new(File::open(path).map_err(RestoreError::Io)?);
        let mut begin = [0; 24];
        file.read_exact(&mut begin).map_err(|_| RestoreError::Broken { restored: 0 })?;
        let Some((MAGIC, millis)) = begin.split_first_chunk() else {
            return Err(RestoreError::Broken { restored: 0 });
        };
        let written = u64::from_le_bytes(millis.try_into().unwrap_or_default());
        // A clock that was set back makes nothing younger than it was.
        let since = Duration::from_millis(unix_millis().saturating_sub(written));
        let mut restored = 0;
        loop {
            let record = Record::read(&mut file).map_err(|_| RestoreError::Broken { restored })?;
            let Some(record) = record else { return Ok(restored) };
            let Some(entry) = record.entry(since, now()) else { continue };
            let entry = Arc::new(entry);
            // In memory it takes everything.
            drop(self.store().put(entry.clone()).await);
            if let Some(similar) = self.similar() {
                self.index(&**similar, &entry).await;
            }
            restored += 1;
        }
    }
}

/// Why a file was not read, or not to its end.
#[derive(Debug)]
#[non_exhaustive]
pub enum RestoreError {
    /// It could not be read at all.
    Io(io::Error),
    /// It is no file of this form, or is broken behind so many entries, which were restored.
    Broken {
        /// How many.
        restored: u64,
    },
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Broken { restored } => write!(f, "the file is broken behind {restored} entries"),
        }
    }
}

impl Error for RestoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Broken { .. } => None,
        }
    }
}

/// A new file in the same folder: nobody else writes to it, nor has laid it out to be written to.
fn create_beside(path: &Path) -> io::Result<(File, PathBuf)> {
    // Relaxed: any two numbers differ.
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    loop {
        let number = NUMBER.fetch_add(1, Relaxed);
        let beside = path.with_file_name(format!(".dashpot-cache-{}-{number}", process::id()));
        match create(&beside) {
            // Left behind by a process of the same number, which did not come to its end.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            created => return created.map(|file| (file, beside)),
        }
    }
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.write(true).create_new(true).open(path)
}

#[allow(clippy::disallowed_methods, reason = "between two runs there is no other clock")]
fn unix_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
