use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use super::PrefixPing;

/// So many lives of a cache say how likely somebody comes; older ones count half, and so on.
const MEMORY: u32 = 64;

/// The prefixes that are known, and when each is to be pinged: told the time, it sends nothing.
#[derive(Debug)]
pub(super) struct Known {
    rule: PrefixPing,
    capacity: usize,
    all: HashMap<Arc<str>, Prefix>,
    budget: Budget,
    pub(super) kept: u64,
    pub(super) unpaid: u64,
}

#[derive(Debug)]
struct Prefix {
    /// When the latest request began that read the cache.
    read_at: Instant,
    /// The same, of users.
    came_at: Instant,
    /// Since somebody came.
    pings: u32,
    /// Lives that were seen, and how many of them somebody came in.
    lives: u32,
    returns: u32,
    /// A ping is under way, or the last has failed.
    is_let_be: bool,
}

impl Known {
    pub(super) fn new(rule: PrefixPing, capacity: usize, budget: Budget) -> Self {
        Self { rule, capacity, all: HashMap::new(), budget, kept: 0, unpaid: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// A user's request that began then has read or written the cache of this prefix.
    pub(super) fn came(&mut self, key: &str, at: Instant) {
        let ttl = self.rule.ttl;
        if let Some(prefix) = self.all.get_mut(key) {
            if at < prefix.read_at + ttl {
                prefix.lived(true);
                // By itself it would be gone.
                self.kept += u64::from(at >= prefix.came_at + ttl);
            }
            prefix.came_at = prefix.came_at.max(at);
            prefix.read_at = prefix.read_at.max(at);
            (prefix.pings, prefix.is_let_be) = (0, false);
            return;
        }
        if self.all.len() >= self.capacity {
            let oldest = self.all.iter().min_by_key(|(_, prefix)| prefix.came_at).map(|(key, _)| key.clone());
            oldest.and_then(|key| self.all.remove(&key));
        }
        let prefix = Prefix { read_at: at, came_at: at, pings: 0, lives: 0, returns: 0, is_let_be: false };
        self.all.insert(key.into(), prefix);
    }

    /// When one is to be pinged next.
    pub(super) fn next(&self) -> Option<Instant> {
        self.all.values().filter_map(|prefix| prefix.due(&self.rule)).min()
    }

    /// What is to be pinged now; each has to [end](Self::ended).
    pub(super) fn due(&mut self, now: Instant) -> Vec<Arc<str>> {
        let mut due = Vec::new();
        for (key, prefix) in &mut self.all {
            if prefix.due(&self.rule).is_none_or(|at| at > now) {
                continue;
            }
            prefix.is_let_be = true;
            // A cache that is gone would be written, which nobody has asked for.
            if now >= prefix.read_at + self.rule.ttl {
                continue;
            }
            if self.budget.spend(now) {
                due.push(key.clone());
            } else {
                self.unpaid += 1;
            }
        }
        due
    }

    /// A ping that began then is over.
    pub(super) fn ended(&mut self, key: &str, at: Instant, is_read: bool) {
        // Who came meanwhile has read the cache since, and nothing waits for this ping any more.
        let Some(prefix) = self.all.get_mut(key).filter(|prefix| prefix.is_let_be) else { return };
        if is_read {
            prefix.lived(false);
            prefix.read_at = at;
            prefix.pings += 1;
            prefix.is_let_be = false;
        }
    }
}

impl Prefix {
    fn lived(&mut self, has_come: bool) {
        self.lives += 1;
        self.returns += u32::from(has_come);
        if self.lives >= MEMORY {
            (self.lives, self.returns) = (self.lives / 2, self.returns / 2);
        }
    }

    /// When a ping goes, if one pays. How likely somebody comes is what has been seen, by Laplace's rule of succession.
    fn due(&self, rule: &PrefixPing) -> Option<Instant> {
        let returns = f64::from(self.returns + 1) / f64::from(self.lives + 2);
        let wait = rule.next(self.pings, Some(returns)).filter(|_| !self.is_let_be)?;
        Some(self.read_at + wait)
    }
}

/// So many pings within any time of some length, and none more.
#[derive(Debug)]
pub(super) struct Budget {
    max: usize,
    per: Duration,
    spent: VecDeque<Instant>,
}

impl Budget {
    pub(super) fn new(max: usize, per: Duration) -> Self {
        Self { max, per, spent: VecDeque::new() }
    }

    fn spend(&mut self, now: Instant) -> bool {
        while self.spent.front().is_some_and(|&at| now.saturating_duration_since(at) >= self.per) {
            self.spent.pop_front();
        }
        let has_some = self.spent.len() < self.max;
        if has_some {
            self.spent.push_back(now);
        }
        has_some
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

    fn known(capacity: usize, max: usize) -> Known {
        Known::new(PrefixPing::anthropic(), capacity, Budget::new(max, secs(86_400)))
    }

    /// Pings whatever is due until then; when each went.
    fn ping_until(known: &mut Known, end: Instant) -> Vec<Instant> {
        let mut all = Vec::new();
        while let Some(at) = known.next().filter(|&at| at <= end) {
            for key in known.due(at) {
                known.ended(&key, at, true);
                all.push(at);
            }
        }
        all
    }

    #[test]
    fn a_prefix_for_which_nobody_comes_back_is_pinged_for_as_long_as_that_may_pay() {
        let (start, mut known) = (origin(), known(8, 100));
        known.came("a", start);
        let pings = ping_until(&mut known, start + secs(86_400));
        // One in k + 2 is less than 8.7 % from k = 10 on.
        assert_eq!(pings, (1..=10).map(|n| start + secs(270 * n)).collect::<Vec<_>>());
        known.came("a", start + secs(86_400));
        assert_eq!(ping_until(&mut known, start + secs(2 * 86_400)), [], "it is known that nobody comes");
    }

    #[test]
    fn who_comes_in_time_is_counted_and_starts_anew() {
        let (start, mut known) = (origin(), known(8, 100));
        known.came("a", start);
        assert_eq!(ping_until(&mut known, start + secs(600)).len(), 2);
        known.came("a", start + secs(600));
        assert_eq!((known.kept, known.next()), (1, Some(start + secs(870))));
        known.came("a", start + secs(700));
        assert_eq!(known.kept, 1, "that one needed no ping");
        for lives in 0..1000 {
            known.came("a", start + secs(700 + 200 * lives));
        }
        let prefix = &known.all["a"];
        assert!(prefix.lives < MEMORY && prefix.returns * 10 > prefix.lives * 9, "{prefix:?}");
    }

    #[test]
    fn a_ping_that_is_late_or_failed_is_not_sent_again_until_somebody_comes() {
        let (start, mut known) = (origin(), known(8, 100));
        known.came("late", start);
        assert_eq!(known.due(start + secs(300)).len(), 0);
        known.came("failed", start + secs(300));
        assert_eq!(known.due(start + secs(570)).len(), 1);
        assert_eq!(known.next(), None, "while it is under way");
        known.ended("failed", start + secs(570), false);
        assert_eq!(known.next(), None);
        known.came("failed", start + secs(580));
        // The end of a ping that is older than that changes nothing.
        known.ended("failed", start + secs(570), true);
        assert_eq!(known.next(), Some(start + secs(850)));
    }

    #[test]
    fn a_new_prefix_takes_the_place_of_the_one_that_was_used_longest_ago() {
        let (start, mut known) = (origin(), known(2, 100));
        for (second, key) in (0..).zip(["a", "b", "a", "c"]) {
            known.came(key, start + secs(second));
        }
        assert_eq!((known.len(), known.all.contains_key("b")), (2, false));
    }

    proptest! {
        #[test]
        fn no_period_sees_more_pings_than_the_budget(steps in prop::collection::vec((0_u64..400, 0_usize..4), 0..200)) {
            let start = origin();
            let (max, per) = (5, secs(1000));
            let mut known = Known::new(PrefixPing::anthropic(), 3, Budget::new(max, per));
            let (mut now, mut pings) = (start, Vec::new());
            for (pause, key) in steps {
                now += secs(pause);
                pings.extend(ping_until(&mut known, now));
                known.came(["a", "b", "c", "d"][key], now);
                prop_assert!(known.len() <= 3);
            }
            for (i, &first) in pings.iter().enumerate() {
                let within = pings[i..].iter().filter(|&&at| at < first + per).count();
                prop_assert!(within <= max);
            }
        }
    }
}
