use std::time::{Duration, Instant};

/// Which of an exchange's clocks ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Clock {
    /// No content had come.
    FirstContent,
    /// Nothing came for too long, in the midst of a stream.
    Gap,
    /// The exchange was not over.
    Total,
}

impl Clock {
    /// In lower case with underscores, as labels of metrics have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FirstContent => "first_content",
            Self::Gap => "gap",
            Self::Total => "total",
        }
    }

    /// Words that a caller may read.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::FirstContent => "the answer did not begin in time",
            Self::Gap => "the answer stopped in the middle",
            Self::Total => "the answer was not complete in time",
        }
    }
}

/// The clocks of one exchange, told the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clocks {
    pub(crate) total: Option<Instant>,
    /// Gone once there is content.
    pub(crate) first_content: Option<Instant>,
    pub(crate) gap: Option<Duration>,
    /// Since when the next event of a stream is waited for.
    pub(crate) waits_since: Option<Instant>,
}

impl Clocks {
    /// The clock that runs out first, and when.
    pub(crate) fn next(&self) -> Option<(Instant, Clock)> {
        let gap = self.waits_since.zip(self.gap).and_then(|(since, gap)| since.checked_add(gap));
        // Of two at the same moment the more exact reason.
        let all = [(self.first_content, Clock::FirstContent), (gap, Clock::Gap), (self.total, Clock::Total)];
        all.into_iter().filter_map(|(at, clock)| Some((at?, clock))).min_by_key(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_is_next_and_each_is_gone_in_its_time() {
        let now = tokio::time::Instant::now().into_std();
        let after = |seconds| now + Duration::from_secs(seconds);
        let mut clocks = Clocks { total: None, first_content: None, gap: None, waits_since: Some(now) };
        assert_eq!(clocks.next(), None);
        clocks.total = Some(after(10));
        clocks.first_content = Some(after(3));
        assert_eq!(clocks.next(), Some((after(3), Clock::FirstContent)));
        clocks.first_content = None;
        clocks.gap = Some(Duration::from_secs(5));
        assert_eq!(clocks.next(), Some((after(5), Clock::Gap)));
        clocks.waits_since = Some(after(5));
        assert_eq!(clocks.next(), Some((after(10), Clock::Gap)), "it says more than the other");
        clocks.waits_since = None;
        assert_eq!(clocks.next(), Some((after(10), Clock::Total)));
        clocks.waits_since = Some(now);
        clocks.gap = Some(Duration::MAX);
        assert_eq!(clocks.next(), Some((after(10), Clock::Total)), "no clock counts that far");
    }
}
