use std::time::{Duration, Instant};

use super::{Load, Machine, Phase};
use crate::stats::{Start, Stats};

const SECOND: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(120);

/// What is known, for those who ask.
impl Machine {
    /// When it is likely to be ready: nine of ten recent starts took less, and so much of this one has passed. Of a first
    /// start nothing is known but how long it has taken: about as long again. From a second to two minutes.
    pub(crate) fn retry_after(&self, now: Instant) -> Duration {
        let usual = self.usual;
        let since = |at: Instant| now.saturating_duration_since(at);
        let estimate = match self.phase {
            Phase::Starting(attempt) | Phase::Probing(attempt, _) | Phase::Priming(attempt) => {
                let passed = since(attempt.began);
                usual.map_or(passed, |usual| usual.saturating_sub(passed))
            }
            Phase::Failed { until, .. } => until.saturating_duration_since(now) + usual.unwrap_or_default(),
            Phase::Ramping { since: at } => self.rules.ramp.window.saturating_sub(since(at)),
            Phase::Warm => Duration::ZERO,
            Phase::Cold | Phase::Draining { .. } | Phase::Sleeping { .. } => usual.unwrap_or_default(),
        };
        estimate.clamp(SECOND, LONGEST)
    }

    /// Whether it can be ready by then: not if even the shortest of the recent starts would take longer.
    pub(crate) fn can_be_ready(&self, by: Instant, now: Instant) -> bool {
        let left = by.saturating_duration_since(now);
        let shortest = self.shortest;
        !left.is_zero()
            && match self.phase {
                Phase::Ramping { .. } | Phase::Warm | Phase::Sleeping { .. } => true,
                Phase::Starting(attempt) | Phase::Probing(attempt, _) | Phase::Priming(attempt) => {
                    let passed = now.saturating_duration_since(attempt.began);
                    attempt.from_sleep || shortest.saturating_sub(passed) <= left
                }
                Phase::Failed { until, .. } => until.saturating_duration_since(now) + shortest <= left,
                Phase::Cold | Phase::Draining { .. } => shortest <= left,
            }
    }

    /// What the latest start took, if there was one; and which that was.
    pub(crate) fn starts_so_far(&self) -> Option<(u64, Start)> {
        self.counters.last.map(|start| (self.counters.starts, start))
    }

    /// So many requests have passed without a wait.
    pub(crate) fn passed(&mut self, requests: u64) {
        self.counters.passed += requests;
    }

    pub(crate) fn stats(&self, now: Instant, load: Load) -> Stats {
        let counters = &self.counters;
        let is_counted = self.is_serving() && !self.in_use;
        let idle = if is_counted { now.saturating_duration_since(self.idles_from()) } else { Duration::ZERO };
        let ready = self.ready_at.map(|at| now.saturating_duration_since(at)).unwrap_or_default();
        Stats {
            state: self.state(),
            in_flight: load.in_flight,
            waiting: load.waiting,
            starts: counters.starts,
            failed: counters.failed,
            lost: counters.lost,
            last_start: counters.last,
            all_starts: counters.all,
            passed: counters.passed,
            held: counters.held,
            refused: counters.refused,
            timed_out: counters.timed_out,
            ready: counters.ready + ready,
            idle: counters.idle + idle,
            useless_prewarms: counters.useless,
        }
    }
}
