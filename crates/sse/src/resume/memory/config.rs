use std::{fmt, time::Duration};

/// The bounds of a [`MemoryStore`](super::MemoryStore).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// What one stream keeps, the newest; an event counts [`PER_EVENT`](Self::PER_EVENT) more than its bytes. Default: 256
    /// KiB, a thousand tokens or more, at about 250 bytes each. At least 1 KiB.
    pub stream_bytes: usize,
    /// How long a stream is kept after its end. Default: 5 minutes. At most a day.
    pub age: Duration,
    /// How long a stream goes on that nobody follows. Default: 30 seconds: ten tries of a browser, which come every three
    /// seconds or so. At most a day.
    pub grace: Duration,
    /// What all streams together may take; each counts [`PER_STREAM`](Self::PER_STREAM) more. Default: 256 MiB: a thousand
    /// that go on at once.
    pub max_bytes: usize,
}

impl Memory {
    /// What an event takes beside its bytes.
    pub const PER_EVENT: usize = 128;

    /// What a stream takes beside its events.
    pub const PER_STREAM: usize = 12 << 10;

    pub(super) fn check(&self) -> Result<(), InvalidMemory> {
        let Self { stream_bytes, age, grace, max_bytes } = *self;
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        let least = stream_bytes.saturating_add(Self::PER_STREAM);
        for (is_right, why) in [
            (stream_bytes >= 1 << 10, "stream_bytes must be at least 1024"),
            (age <= DAY && grace <= DAY, "age and grace must be at most a day"),
            (max_bytes >= least, "max_bytes must be at least stream_bytes and what a stream takes beside it"),
        ] {
            if !is_right {
                return Err(InvalidMemory(why));
            }
        }
        Ok(())
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            stream_bytes: 256 << 10,
            age: Duration::from_secs(5 * 60),
            grace: Duration::from_secs(30),
            max_bytes: 256 << 20,
        }
    }
}

/// Bounds that make no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidMemory(&'static str);

impl fmt::Display for InvalidMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for InvalidMemory {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_that_make_no_sense_are_refused_with_the_reason() {
        let fine = Memory::default();
        assert_eq!(fine.check(), Ok(()));
        for (wrong, why) in [
            (Memory { stream_bytes: 1023, ..fine }, "stream_bytes"),
            (Memory { stream_bytes: usize::MAX, ..fine }, "max_bytes"),
            (Memory { max_bytes: 0, ..fine }, "max_bytes"),
            (Memory { age: Duration::MAX, ..fine }, "age"),
            (Memory { grace: Duration::MAX, ..fine }, "age and grace"),
        ] {
            assert!(wrong.check().unwrap_err().to_string().starts_with(why), "{wrong:?}");
        }
    }
}
