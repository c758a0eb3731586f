/// The paths of interest: keys joined by `/`. Arrays do not show, so `choices/delta` is in every element of `choices`.
#[derive(Debug)]
pub(crate) struct Paths<F: 'static>(&'static [(&'static str, F)]);

impl<F> Paths<F> {
    /// # Panics
    /// At compile time, where a table belongs: unless the paths are in ascending order of bytes and short.
    pub(crate) const fn new(paths: &'static [(&'static str, F)]) -> Self {
        assert!(paths.len() < 256);
        let mut i = 0;
        while i < paths.len() {
            assert!(!paths[i].0.is_empty() && paths[i].0.len() < 256);
            assert!(i == 0 || is_before(paths[i - 1].0.as_bytes(), paths[i].0.as_bytes()));
            i += 1;
        }
        Self(paths)
    }

    #[cfg(test)]
    pub(super) fn entries(&self) -> &[(&'static str, F)] {
        self.0
    }
}

const fn is_before(a: &[u8], b: &[u8]) -> bool {
    let mut i = 0;
    while i < a.len() && i < b.len() && a[i] == b[i] {
        i += 1;
    }
    i < b.len() && (i == a.len() || a[i] < b[i])
}

pub(super) const SEPARATOR: u8 = b'/';

/// The entries that begin with the path so far: since the table is sorted they are neighbours, so a range compares
/// exactly, byte by byte, without a hash and without keeping the key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor {
    start: u8,
    end: u8,
    /// The length of the path so far.
    len: u8,
}

impl Cursor {
    /// Where nothing of interest is.
    pub(super) const NOWHERE: Self = Self { start: 0, end: 0, len: 0 };

    /// At the document itself.
    pub(super) fn root<F>(paths: &Paths<F>) -> Self {
        Self { start: 0, end: u8::try_from(paths.0.len()).unwrap_or(u8::MAX), len: 0 }
    }

    /// Whether nothing of interest is here or further in.
    pub(super) fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Whether no key has been stepped into; also nowhere.
    pub(super) fn is_root(self) -> bool {
        self.len == 0
    }

    /// Goes on by one byte of the path.
    pub(super) fn step<F>(&mut self, paths: &Paths<F>, byte: u8) {
        // An entry that ends here sorts first, as `None` does.
        let at = |entry: u8| paths.0[usize::from(entry)].0.as_bytes().get(usize::from(self.len)).copied();
        while self.start < self.end && at(self.start) < Some(byte) {
            self.start += 1;
        }
        while self.start < self.end && at(self.end - 1) > Some(byte) {
            self.end -= 1;
        }
        if self.start < self.end {
            self.len += 1;
        }
    }

    /// What is exactly here.
    pub(super) fn field<F: Copy>(self, paths: &Paths<F>) -> Option<F> {
        let (path, field) = paths.0[usize::from(self.start)..usize::from(self.end)].first()?;
        (path.len() == usize::from(self.len)).then_some(*field)
    }
}
