//! What a store holds, in a file between two runs.

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
};

use sha2::{Digest, Sha256};

use crate::{Entry, Handle, MemoryStore, Store, StoreError, now};

/// What a file begins with, and which form it has. Then come the entries: each as its length, the beginning of a hash over
/// it, and [it](Entry::encode).
const MAGIC: &[u8; 16] = b"dashpot-cache 2\n";

/// No entry is longer: what says so is none.
const MAX_LEN: u32 = 1 << 30;

impl MemoryStore {
    /// Writes all entries to a file, in place of what it held, which stays if this fails; how many they were. What was
    /// [learned](crate::Learning) or [said](Handle::feedback) about them is not written.
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
        let mut count = 0;
        for entry in self.entries() {
            write(&mut file, &entry.encode())?;
            count += 1;
        }
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        Ok(count)
    }
}

impl<St: Store> Handle<St> {
    /// Reads entries from a file that [`MemoryStore::save`] wrote, and how many they were; those that are past their time by
    /// now are left out. Questions that are similar to theirs are found again too. It is for the start: what is kept since
    /// then is replaced. The file is read between other tasks, and blocks them while it is.
    ///
    /// # Errors
    /// If the file cannot be read, was not written by that, or is broken, or the store fails; what comes before that is there.
    pub async fn restore(&self, path: &Path) -> Result<u64, RestoreError> {
        let mut file = BufReader::new(File::open(path).map_err(RestoreError::Io)?);
        let mut begin = [0; 16];
        file.read_exact(&mut begin).map_err(|_| RestoreError::Broken { restored: 0 })?;
        if begin != *MAGIC {
            return Err(RestoreError::Broken { restored: 0 });
        }
        let mut restored = 0;
        loop {
            let Some(bytes) = read(&mut file).map_err(|_| RestoreError::Broken { restored })? else {
                return Ok(restored);
            };
            let entry = Entry::decode(&bytes).map_err(|_| RestoreError::Broken { restored })?;
            if entry.left(now()).is_none() {
                continue;
            }
            let entry = Arc::new(entry);
            self.store().put(entry.clone(), None).await.map_err(RestoreError::Store)?;
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
    /// The store did not take what was read.
    Store(StoreError),
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Broken { restored } => write!(f, "the file is broken behind {restored} entries"),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl Error for RestoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Broken { .. } => None,
            Self::Store(error) => Some(error),
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

fn write(file: &mut impl io::Write, bytes: &[u8]) -> io::Result<()> {
    let len = u32::try_from(bytes.len()).ok().filter(|len| *len <= MAX_LEN);
    file.write_all(&len.ok_or(io::ErrorKind::FileTooLarge)?.to_le_bytes())?;
    file.write_all(&check(bytes))?;
    file.write_all(bytes)
}

/// The next entry; `None` at the end of the file.
fn read(file: &mut impl io::Read) -> io::Result<Option<Vec<u8>>> {
    let mut len = [0; 4];
    match file.read(&mut len[..1])? {
        0 => return Ok(None),
        _ => file.read_exact(&mut len[1..])?,
    }
    let len = u32::from_le_bytes(len);
    if len > MAX_LEN {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut sum = [0; 8];
    file.read_exact(&mut sum)?;
    // Not reserved before it is there: the length may be anything.
    let mut bytes = Vec::new();
    file.take(len.into()).read_to_end(&mut bytes)?;
    if bytes.len() != len as usize || check(&bytes) != sum {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(Some(bytes))
}

/// Finds what broke by chance; it keeps nobody from writing what they like.
fn check(bytes: &[u8]) -> [u8; 8] {
    let mut sum = [0; 8];
    sum.copy_from_slice(&Sha256::digest(bytes)[..8]);
    sum
}
