use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::rules::AGES;

/// How much time an upstream may be warm for nothing, within any period of some length. Hard: it is never passed.
///
/// What was spent is kept in slices of a 24th of the period and comes back a slice at a time, never early.
#[derive(Clone, Debug)]
pub struct Budget {
    max: Duration,
    per: Duration,
    /// When a slice began, and what was spent in it; the newest last.
    slices: VecDeque<(Instant, Duration)>,
    spent: Duration,
}

const SLICES: u32 = 24;

impl Budget {
    /// At most `max` within any `per`.
    ///
    /// # Panics
    ///
    /// If `per` is zero.
    #[must_use]
    pub fn new(max: Duration, per: Duration) -> Self {
        assert!(!per.is_zero(), "within no time nothing can be spent");
        Self { max, per: per.min(AGES), slices: VecDeque::new(), spent: Duration::ZERO }
    }

    /// What is left at this moment.
    pub fn left(&mut self, now: Instant) -> Duration {
        self.forget(now);
        self.max.saturating_sub(self.spent)
    }

    /// It was warm for nothing from then until now.
    pub fn spend(&mut self, from: Instant, now: Instant) {
        self.forget(now);
        // Of a long time, what the last period does not see is over. The rest goes in slices: each comes back by itself.
        let mut from = from.max(now.checked_sub(self.per).unwrap_or(from));
        while from < now {
            let begin = match self.slices.back() {
                Some(&(begin, _)) if from < begin + self.slice() => begin,
                _ => {
                    self.slices.push_back((from, Duration::ZERO));
                    from
                }
            };
            let until = now.min(begin + self.slice());
            let spent = until.saturating_duration_since(from);
            if let Some(slice) = self.slices.back_mut() {
                slice.1 += spent;
            }
            self.spent += spent;
            from = until;
        }
    }

    /// When some of it comes back; `None` if nothing is spent.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.slices.front().map(|&(begin, _)| begin + self.slice() + self.per)
    }

    fn slice(&self) -> Duration {
        (self.per / SLICES).max(Duration::from_nanos(1))
    }

    fn forget(&mut self, now: Instant) {
        while let Some(&(_, spent)) = self.slices.front() {
            if self.next().is_none_or(|next| now < next) {
                break;
            }
            self.slices.pop_front();
            self.spent = self.spent.saturating_sub(spent);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tests::origin;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn what_is_spent_comes_back_a_period_later() {
        let start = origin();
        let mut budget = Budget::new(secs(100), secs(240));
        assert_eq!((budget.left(start), budget.next()), (secs(100), None));
        budget.spend(start, start + secs(100));
        assert_eq!(budget.left(start + secs(100)), Duration::ZERO);
        assert_eq!(budget.next(), Some(start + secs(250)));
        assert_eq!(budget.left(start + secs(249)), Duration::ZERO);
        assert_eq!(budget.left(start + secs(250)), secs(10));
        assert_eq!(budget.left(start + secs(340)), secs(100));
    }

    proptest! {
        #[test]
        fn no_period_sees_more_than_the_budget(steps in prop::collection::vec((0_u64..50, 0_u64..50), 0..100)) {
            let start = origin();
            let (max, per) = (60, 100);
            let mut budget = Budget::new(secs(max), secs(per));
            let (mut now, mut idle) = (0, vec![false; 10_000]);
            for (pause, wish) in steps {
                now += pause;
                let spend = wish.min(budget.left(start + secs(now)).as_secs());
                budget.spend(start + secs(now), start + secs(now + spend));
                idle[now as usize..(now + spend) as usize].fill(true);
                now += spend;
            }
            for period in idle.windows(per as usize) {
                prop_assert!(period.iter().filter(|&&idle| idle).count() as u64 <= max);
            }
            prop_assert_eq!(budget.left(start + secs(now + 2 * per)), secs(max));
        }
    }
}
