use std::time::Duration;

/// A wish: for how long it should stay warm from now on, and when it should be warm again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    stay: Duration,
    again: Option<(Duration, Duration)>,
}

impl Keep {
    /// Not at all.
    pub const NONE: Self = Self { stay: Duration::ZERO, again: None };
    /// For ever.
    pub const FOREVER: Self = Self { stay: Duration::MAX, again: None };

    /// For so long.
    #[must_use]
    pub const fn stay(stay: Duration) -> Self {
        Self { stay, again: None }
    }

    /// The same, and then again after `from`, until `until`: both from now. Without a gap between the two it stays.
    #[must_use]
    pub fn again(self, from: Duration, until: Duration) -> Self {
        if from <= self.stay {
            return Self::stay(self.stay.max(until));
        }
        Self { again: (from < until).then_some((from, until)), ..self }
    }

    /// The same for what takes so long to start: it has to begin so much earlier.
    #[must_use]
    pub fn early(self, start: Duration) -> Self {
        match self.again {
            Some((from, until)) => Self::stay(self.stay).again(from.saturating_sub(start), until),
            None => self,
        }
    }

    /// Whether it should be warm when so much time has passed.
    #[must_use]
    pub fn wants(&self, passed: Duration) -> bool {
        passed < self.stay || self.again.is_some_and(|(from, until)| (from..until).contains(&passed))
    }

    /// When that changes next, after so much time has passed; `None` if never.
    #[must_use]
    pub fn next(&self, passed: Duration) -> Option<Duration> {
        let again = self.again.map(|(from, until)| [from, until]);
        let all = [self.stay].into_iter().chain(again.into_iter().flatten());
        all.filter(|&change| change > passed && change < Duration::MAX).min()
    }

    /// For how long it should stay warm without a break.
    #[must_use]
    pub fn stays(&self) -> Duration {
        self.stay
    }

    /// When it should be warm again, and until when.
    #[must_use]
    pub fn returns(&self) -> Option<(Duration, Duration)> {
        self.again
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn a_wish_has_a_gap_only_if_there_is_one() {
        let keep = Keep::stay(secs(10)).again(secs(20), secs(30));
        let wanted = |keep: Keep| (0..40).filter(|&at| keep.wants(secs(at))).collect::<Vec<_>>();
        assert_eq!(wanted(keep), (0..10).chain(20..30).collect::<Vec<_>>());
        assert_eq!(
            [0, 10, 25, 30].map(|at| keep.next(secs(at))),
            [Some(secs(10)), Some(secs(20)), Some(secs(30)), None]
        );
        assert_eq!(wanted(Keep::stay(secs(10)).again(secs(10), secs(12))), (0..12).collect::<Vec<_>>());
        assert_eq!(Keep::NONE.again(secs(5), secs(5)), Keep::NONE);
        assert_eq!(wanted(keep.early(secs(4))), (0..10).chain(16..30).collect::<Vec<_>>());
        assert_eq!(wanted(keep.early(secs(11))), (0..30).collect::<Vec<_>>());
        assert_eq!((Keep::FOREVER.next(secs(5)), Keep::FOREVER.wants(secs(u64::MAX / 2))), (None, true));
    }
}
