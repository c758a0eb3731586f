use std::fmt;

/// So many of so many, in per cent.
#[derive(Clone, Copy, Default)]
pub(crate) struct Rate {
    pub(crate) some: usize,
    pub(crate) all: usize,
}

impl Rate {
    pub(crate) fn of(each: impl Iterator<Item = bool>) -> Self {
        each.fold(Self::default(), |rate, is| Self { some: rate.some + usize::from(is), all: rate.all + 1 })
    }

    /// Wilson's interval, in which the true share is in 95 of 100 samples.
    fn interval(self) -> (f64, f64) {
        let (n, z) = (self.all.max(1) as f64, 1.96_f64);
        let share = self.some as f64 / n;
        let middle = (share + z * z / (2.0 * n)) / (1.0 + z * z / n);
        let half = z / (1.0 + z * z / n) * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
        (100.0 * (middle - half).max(0.0), 100.0 * (middle + half).min(100.0))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (least, most) = self.interval();
        write!(f, "{:5.1} ({least:4.1}-{most:4.1})", 100.0 * self.some as f64 / self.all.max(1) as f64)
    }
}
