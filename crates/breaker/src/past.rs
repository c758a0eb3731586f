use std::time::Duration;

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
        let healthy = Duration::from_nanos(nanos.saturating_sub(self.closed_at));
        if matches!(from, Phase::Closed | Phase::Recovering) && healthy >= 2 * rules.window {
            self.attempt = 0;
        }
        self.attempt = self.attempt.saturating_add(1);
        let doubled = rules.wait.saturating_mul(1_u32.checked_shl(self.attempt - 1).unwrap_or(u32::MAX));
        let mut wait = doubled.min(rules.max_wait).mul_f64(0.5 + self.random());
        if let (Reason::Quota, Some(quota)) = (reason, rules.quota_wait) {
            wait = wait.max(quota);
        }
        if let Some(hint) = hint {
            // Whoever else was told the same time must not come back at the same moment.
            wait = wait.max(hint.mul_f64(1.0 + 0.25 * self.random()));
        }
        self.wait = wait;
        wait
    }

    /// How long probes are waited for.
    pub(crate) fn patience(&self, rules: &Rules) -> Duration {
        2 * self.wait.clamp(rules.wait.min(rules.max_wait), rules.max_wait)
    }

    pub(crate) fn changed(
        &mut self,
        from: Phase,
        to: Phase,
        reason: Reason,
        wait: Option<Duration>,
    ) -> Transition {
        self.opened += u64::from(to == Phase::Open);
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

    /// From 0 to 1 (splitmix64).
    fn random(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) as f64 / u64::MAX as f64
    }
}
