mod herd;
mod machine;
mod spec;
mod threads;
mod words;

use std::time::Duration;

use crate::rules::Rules;

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Quick ones, of which each can be the reason.
fn rules(quota_wait: Option<Duration>) -> Rules {
    Rules {
        consecutive: 3,
        failure_ratio: 0.5,
        min_calls: 5,
        window: millis(1000),
        slow: None,
        slow_ratio: 0.6,
        wait: millis(100),
        max_wait: millis(400),
        quota_wait,
        probes: 3,
        successes: 3,
        ramp: millis(2000),
        silence: millis(1000),
        hold: None,
    }
}
