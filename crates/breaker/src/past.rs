use std::time::Duration;

use dashpot_core::MAX_RETRY_AFTER;

use crate::{Reason, Transition, rules::Rules, word::Phase};

/// What only transitions read and write: under a lock.
#[derive(Debug)]
pub(crate) struct Past {
    /// How often it opened without a healthy time between.
    pub(crate) attempt: u32,
    /// How long it was to stay open at last.
    pub(crate) wait: Duration,
    /// When it came back at last, in nanoseconds since the origin.
    pub(crate) closed_at: u64,
    pub(crate) opened: u64,
    pub(crate) last: Option<Transition>,
    threshold_at: Option<u64>,
    random: u64,
}

impl Past {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            attempt: 0,
            wait: Duration::ZERO,
            closed_at: 0,
            opened: 0,
            last: None,
            threshold_at: None,
            random: seed,
        }
    }

    /// How long it stays open now: twice as long as the last time, unless it has been well since, and no two instances as
    /// long as each other. Never shorter than the upstream asked for.
    pub(crate) fn next_wait(
        &mut self,
        rules: &Rules,
        from: Phase,
        reason: Reason,
        hint: Option<Duration>,
        nanos: u64,
    ) -> Duration {
        self.make_good(rules, from, nanos);
        self.attempt = self.attempt.saturating_add(1);
        let doubled = rules.wait.saturating_mul(1_u32.checked_shl(self.attempt - 1).unwrap_or(u32::MAX));
        let about = doubled.min(rules.max_wait);
        let mut wait = (about / 2).saturating_add(about.mul_f64(self.random()));
        let asked = match hint {
            Some(hint) => Some(hint.min(MAX_RETRY_AFTER)),
            None => rules.quota_wait.filter(|_| reason == Reason::Quota),
        };
        if let Some(asked) = asked {
            // Whoever else was told the same time must not come back at the same moment.
            wait = wait.max(asked.saturating_add((asked / 4).mul_f64(self.random())));
        }
        self.wait = wait;
        wait
    }

    /// Forgets how often it has opened, if it has been well for long since.
    pub(crate) fn make_good(&mut self, rules: &Rules, from: Phase, nanos: u64) {
        if matches!(from, Phase::Closed | Phase::Recovering) && self.is_made_good(rules, nanos) {
            self.attempt = 0;
        }
    }

    /// Whether it has been well for ten times as long as it was to stay open at last. Who fails again sooner was not really
    /// back; and what was over within a second is not held against it for a minute.
    pub(crate) fn is_made_good(&self, rules: &Rules, nanos: u64) -> bool {
        let healthy = Duration::from_nanos(nanos.saturating_sub(self.closed_at));
        healthy >= self.wait.clamp(rules.wait, rules.max_wait).saturating_mul(10)
    }

    /// How long probes are waited for.
    pub(crate) fn patience(&self, rules: &Rules) -> Duration {
        self.wait.clamp(rules.wait, rules.max_wait).saturating_mul(2)
    }

    pub(crate) fn changed(
        &mut self,
        from: Phase,
        to: Phase,
        reason: Reason,
        wait: Option<Duration>,
    ) -> Transition {
        self.opened += u64::from(to == Phase::Open && from != Phase::Open);
        let transition = Transition { from: from.into(), to: to.into(), reason, attempt: self.attempt, wait };
        self.last = Some(transition);
        transition
    }

    /// Whether nobody was told within this window that it would have opened.
    pub(crate) fn threshold(&mut self, nanos: u64, window: Duration) -> bool {
        let is_new =
            self.threshold_at.is_none_or(|at| Duration::from_nanos(nanos.saturating_sub(at)) >= window);
        if is_new {
            self.threshold_at = Some(nanos);
        }
        is_new
    }

    /// From 0 to less than 1 (splitmix64).
    fn random(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn within(wait: Duration, least: f64, most: f64) -> bool {
        (least..=most).contains(&wait.as_secs_f64())
    }

    #[test]
    fn each_wait_is_about_twice_the_last_and_none_longer_than_about_the_longest() {
        let rules = Rules::default();
        for seed in 0..100 {
            let mut past = Past::new(seed);
            for expected in [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0] {
                let wait = past.next_wait(&rules, Phase::HalfOpen, Reason::Probe, None, 0);
                assert!(within(wait, 0.5 * expected, 1.5 * expected), "{wait:?}, seed {seed}");
            }
            past.attempt = u32::MAX;
            let for_ever = Rules { wait: Duration::MAX, max_wait: Duration::MAX, ..rules.clone() };
            past.next_wait(&for_ever, Phase::HalfOpen, Reason::Probe, None, 0);
            assert_eq!(past.patience(&for_ever), Duration::MAX);
            let wait = past.next_wait(&rules, Phase::HalfOpen, Reason::Probe, None, 0);
            assert!(within(wait, 2.5, 7.5) && past.patience(&rules) <= 10 * SECOND);
        }
    }

    #[test]
    fn no_two_instances_wait_as_long_as_each_other() {
        let wait =
            |seed| Past::new(seed).next_wait(&Rules::default(), Phase::Closed, Reason::Consecutive, None, 0);
        let mut waits: Vec<_> = (0..100).map(wait).collect();
        waits.sort();
        // Spread between a half and one and a half of the first wait.
        for (n, wait) in waits.into_iter().enumerate() {
            let even = 0.5 + n as f64 / 100.0;
            let wait = 4 * wait;
            assert!(within(wait, even - 0.15, even + 0.15), "{wait:?} is number {n}");
        }
    }

    #[test]
    fn who_was_asked_to_stay_away_stays_away_for_so_long_and_not_for_ever() {
        let rules = Rules::default();
        let wait = |reason, hint| Past::new(1).next_wait(&rules, Phase::Closed, reason, hint, 0);
        assert!(within(wait(Reason::Consecutive, Some(20 * SECOND)), 20.0, 25.0));
        assert!(within(wait(Reason::Consecutive, Some(SECOND / 100)), 0.125, 0.375));
        assert!(within(wait(Reason::Quota, None), 60.0, 75.0));
        assert!(within(wait(Reason::Quota, Some(5 * SECOND)), 5.0, 6.25), "it knows better");
        assert!(wait(Reason::Quota, Some(Duration::MAX)) <= MAX_RETRY_AFTER * 5 / 4);
        let rules = Rules { quota_wait: Some(Duration::MAX), ..rules };
        let until_reset = Past::new(1).next_wait(&rules, Phase::Closed, Reason::Quota, None, 0);
        assert_eq!(until_reset, Duration::MAX);
    }

    #[test]
    fn to_be_well_for_ten_times_the_last_wait_makes_good_what_was_and_less_does_not() {
        let rules = Rules::default();
        for (healthy, attempt) in [(19, 4), (20, 1)] {
            let mut past = Past::new(1);
            (past.attempt, past.closed_at, past.wait) = (3, 1_000_000_000, 2 * SECOND);
            let nanos = past.closed_at + healthy * 1_000_000_000;
            past.next_wait(&rules, Phase::Closed, Reason::Consecutive, None, nanos);
            assert_eq!(past.attempt, attempt, "after {healthy} s");
        }
    }

    #[test]
    fn that_it_would_have_opened_is_said_once_in_a_window() {
        let mut past = Past::new(1);
        let said = [0, 1, 29, 30, 31, 60].map(|s| past.threshold(s * 1_000_000_000, 30 * SECOND));
        assert_eq!(said, [true, false, false, true, false, true]);
    }
}
