use std::time::{Duration, Instant};

/// The shortest time to ask a client to stay away: `Retry-After` counts in seconds.
const SHORTEST: Duration = Duration::from_secs(1);
/// The longest: by then the upstream may be another one.
const LONGEST: Duration = Duration::from_secs(60);
/// The rate is counted over at least so long, and so many departures,
const WINDOW: Duration = Duration::from_secs(1);
const ENOUGH: u64 = 10;
/// or over so long, however few they were.
const LONG_WINDOW: Duration = Duration::from_secs(10);

/// How fast exchanges leave, and whose turn comes when.
#[derive(Debug)]
pub(crate) struct Rate {
    window: Instant,
    departed: u64,
    /// Of the last window; `None` until the first one is over.
    per_second: Option<f64>,
    /// When a request last found no slot free.
    full: Instant,
    /// Whether there was much room since.
    slack: bool,
    /// The latest turn that was given out, of each partition and of those without: a flood of one sends no other away for
    /// longer.
    turns: Box<[Instant]>,
}

impl Rate {
    pub(crate) fn new(now: Instant, partitions: usize) -> Self {
        Self {
            window: now,
            departed: 0,
            per_second: None,
            full: now,
            slack: false,
            turns: vec![now; partitions + 1].into(),
        }
    }

    pub(crate) fn departed(&mut self, now: Instant, more: u32) {
        self.departed += u64::from(more);
        let elapsed = now.saturating_duration_since(self.window);
        if elapsed >= LONG_WINDOW || elapsed >= WINDOW && self.departed >= ENOUGH {
            // If none has left, it is fewer than one in this time.
            self.per_second = Some(self.departed.max(1) as f64 / elapsed.as_secs_f64());
            (self.window, self.departed) = (now, 0);
        }
    }

    /// Half of the limit or more is unused: what leaves now says how fast they come, and not how fast they could leave.
    pub(crate) fn slack(&mut self) {
        self.slack = true;
    }

    /// Somebody waits: no slot is free, nor was since the last request found none.
    pub(crate) fn still_full(&mut self, now: Instant) {
        self.full = now;
    }

    /// A request found no slot free: from here on the rate counts, if it did not before.
    pub(crate) fn full(&mut self, now: Instant) {
        if self.slack || now.saturating_duration_since(self.full) >= LONG_WINDOW {
            (self.window, self.departed, self.per_second) = (now, 0, None);
        }
        (self.slack, self.full) = (false, now);
    }

    /// How long it takes until `exchanges` have left; `None` while that cannot be known.
    pub(crate) fn time_for(&self, exchanges: f64) -> Option<Duration> {
        let per_second = self.per_second.filter(|&rate| rate > 0.0)?;
        Duration::try_from_secs_f64(exchanges / per_second).ok()
    }

    /// Gives out a turn: how long it is until then.
    pub(crate) fn next_turn(&mut self, now: Instant, partition: Option<u8>) -> Duration {
        let gap = self.time_for(1.0).unwrap_or(Duration::ZERO);
        let earliest = now + SHORTEST;
        let turn = &mut self.turns[partition.map_or(0, |partition| usize::from(partition) + 1)];
        *turn = (*turn + gap.min(LONGEST)).clamp(earliest, now + LONGEST);
        turn.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    #[test]
    fn a_burst_of_refusals_is_spread_at_the_rate_at_which_slots_come_free() {
        let start = now();
        let mut rate = Rate::new(start, 0);
        rate.departed(start + WINDOW, 100);
        let now = start + WINDOW;
        let turns: Vec<_> = (0..1000).map(|_| rate.next_turn(now, None)).collect();
        assert_eq!(turns[0], SHORTEST);
        assert!((10.9..11.1).contains(&turns[999].as_secs_f64()), "{:?}", turns[999]);
        assert!(turns.is_sorted());
        assert_eq!(rate.next_turn(now + Duration::from_secs(11), None), SHORTEST, "all had their turn");
    }

    #[test]
    fn a_slow_upstream_is_given_time_to_show_its_rate() {
        let start = now();
        let mut rate = Rate::new(start, 0);
        for second in 1..=10 {
            assert_eq!(rate.time_for(1.0), None);
            rate.departed(start + Duration::from_secs(second), u32::from(second % 2 == 0));
        }
        assert_eq!(rate.time_for(1.0), Some(Duration::from_secs(2)));
    }

    #[test]
    fn nobody_is_sent_away_for_longer_than_a_minute() {
        let start = now();
        let mut rate = Rate::new(start, 0);
        assert_eq!(rate.next_turn(start, None), SHORTEST, "nothing is known yet");
        rate.departed(start + Duration::from_secs(100), 1);
        for _ in 0..10 {
            assert!(rate.next_turn(start + Duration::from_secs(100), None) <= LONGEST);
        }
        rate.departed(start + Duration::from_secs(200), 0);
        assert_eq!(rate.time_for(1.0), Some(Duration::from_secs(100)), "nothing leaves at all");
    }
}
