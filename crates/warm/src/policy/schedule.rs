use std::time::Duration;

use super::{Keep, Moment, Policy};

const DAY: u64 = 24 * 60 * 60;

/// Is warm at the times of day that it is told, whether anybody comes or not.
///
/// Outside of those it stays warm for a fixed time after each use.
#[derive(Clone, Debug)]
pub struct Schedule {
    windows: Vec<Window>,
    otherwise: Duration,
}

/// A time of day, on some days of the week; in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    from: u64,
    length: u64,
    /// From Monday, the lowest bit.
    days: u8,
}

impl Window {
    /// From one time of day to another, each in hours and minutes; past midnight if the second is not later.
    ///
    /// # Panics
    ///
    /// If one of them is no time of day.
    #[must_use]
    pub fn daily((from_hour, from_minute): (u8, u8), (to_hour, to_minute): (u8, u8)) -> Self {
        for (hour, minute) in [(from_hour, from_minute), (to_hour, to_minute)] {
            assert!(hour < 24 && minute < 60, "{hour}:{minute:02} is no time of day");
        }
        let seconds = |hour, minute| (u64::from(hour) * 60 + u64::from(minute)) * 60;
        let (from, to) = (seconds(from_hour, from_minute), seconds(to_hour, to_minute));
        let length = if to > from { to - from } else { to + DAY - from };
        Self { from, length, days: 0x7f }
    }

    /// Only where it begins on these days; 0 is Monday.
    ///
    /// # Panics
    ///
    /// If one of them is more than 6.
    #[must_use]
    pub fn on(self, days: impl IntoIterator<Item = u8>) -> Self {
        let days = days.into_iter().fold(0, |days, day| {
            assert!(day < 7, "a week has no day {day}");
            days | 1 << day
        });
        Self { days, ..self }
    }

    /// When it begins and ends: the one that is on now, or else the next; in seconds since the epoch.
    fn next(&self, now: u64) -> Option<(u64, u64)> {
        let today = now / DAY;
        // The epoch was a Thursday. A week from yesterday on has all the days there are, and today's again.
        (today.saturating_sub(1)..=today + 7)
            .filter(|day| self.days & 1 << ((day + 3) % 7) != 0)
            .map(|day| (day * DAY + self.from, day * DAY + self.from + self.length))
            .find(|&(_, end)| end > now)
    }
}

impl Schedule {
    /// Is warm in these windows, and otherwise for this long after each use.
    #[must_use]
    pub fn new(windows: impl IntoIterator<Item = Window>, otherwise: Duration) -> Self {
        Self { windows: windows.into_iter().collect(), otherwise }
    }

    fn next(&self, now: Moment, stay: Duration) -> Keep {
        let second = now.unix.as_secs();
        let Some((begin, mut end)) = self.windows.iter().filter_map(|window| window.next(second)).min()
        else {
            return Keep::stay(stay);
        };
        // Windows that meet are one.
        while let Some(later) = self
            .windows
            .iter()
            .filter_map(|window| window.next(end))
            .filter(|&(begin, later)| begin <= end && later > end)
            .map(|(_, later)| later)
            .max()
        {
            end = later;
            if end - begin > 7 * DAY {
                return Keep::FOREVER;
            }
        }
        let from_now = |at| Duration::from_secs(at).saturating_sub(now.unix);
        Keep::stay(stay).again(from_now(begin), from_now(end))
    }
}

impl Policy for Schedule {
    fn begin(&mut self, now: Moment) -> Keep {
        self.next(now, Duration::ZERO)
    }

    fn idle(&mut self, now: Moment) -> Keep {
        self.next(now, self.otherwise)
    }

    fn later(&mut self, now: Moment) -> Keep {
        self.next(now, Duration::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::origin;

    const HOUR: u64 = 60 * 60;

    /// Thursday the first, at this hour.
    fn at(hours: u64) -> Moment {
        Moment { at: origin(), unix: Duration::from_secs(hours * HOUR) }
    }

    fn hours(keep: Keep) -> (u64, Option<(u64, u64)>) {
        let hours = |time: Duration| time.as_secs() / HOUR;
        (hours(keep.stays()), keep.returns().map(|(from, until)| (hours(from), hours(until))))
    }

    #[test]
    fn the_next_window_counts_from_now_and_one_that_is_on_has_begun() {
        let mut office = Schedule::new([Window::daily((8, 0), (18, 0))], Duration::ZERO);
        assert_eq!(hours(office.begin(at(6))), (0, Some((2, 12))));
        assert_eq!(hours(office.idle(at(10))), (8, None));
        assert_eq!(hours(office.later(at(18))), (0, Some((14, 24))));
    }

    #[test]
    fn a_window_past_midnight_is_one_and_days_are_those_on_which_it_begins() {
        let night = Window::daily((22, 0), (4, 0));
        let mut nights = Schedule::new([night], Duration::from_secs(HOUR));
        assert_eq!(hours(nights.idle(at(25))), (3, None), "yesterday's is still on");
        assert_eq!(hours(nights.idle(at(12))), (1, Some((10, 16))));
        let mut friday = Schedule::new([night.on([4])], Duration::ZERO);
        assert_eq!(hours(friday.idle(at(0))), (0, Some((46, 52))));
        assert_eq!(hours(friday.idle(at(50))), (2, None));
        assert_eq!(hours(friday.idle(at(52))), (0, Some((7 * 24 - 6, 7 * 24))));
    }

    #[test]
    fn windows_that_meet_are_one_and_all_day_is_for_ever() {
        let two = [Window::daily((8, 0), (12, 0)), Window::daily((12, 0), (18, 0))];
        assert_eq!(hours(Schedule::new(two, Duration::ZERO).idle(at(9))), (9, None));
        let day = [Window::daily((0, 0), (0, 0))];
        assert_eq!(Schedule::new(day, Duration::ZERO).idle(at(9)), Keep::FOREVER);
        assert_eq!(Schedule::new([], Duration::ZERO).idle(at(9)), Keep::NONE);
    }
}
