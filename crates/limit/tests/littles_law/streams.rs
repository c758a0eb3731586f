//! What streams take after their first content tells a slower upstream from a queue.

use std::time::{Duration, Instant};

use dashpot_limit::policy::{Event, LittlesLaw, Policy, Reason, Sample, Signal};

use crate::reports::report;

const FIRST: Duration = Duration::from_millis(160);
const REST: Duration = Duration::from_millis(500);

fn first_token(policy: &mut LittlesLaw, from: Instant, count: u32, value: Duration) -> Instant {
    let in_flight = policy.limit() as u32;
    report(policy, from, count, |now| {
        let (signal, admitted) = (Signal::FirstToken, now - value);
        Event::Sample(Sample { signal, value, admitted, in_flight, prompt: None })
    })
}

/// One that has found its limit, and then lowered it because first tokens took four times as long.
fn lowered(policy: LittlesLaw) -> (LittlesLaw, Instant, f64) {
    let (mut policy, mut now) = (policy, tokio::time::Instant::now().into_std());
    for _ in 0..30 {
        now = report(&mut policy, now, 10, |_| Event::Streamed { rest: REST });
        now = first_token(&mut policy, now, 10, FIRST);
    }
    let limit = policy.limit();
    now = first_token(&mut policy, now, 40, 4 * FIRST);
    assert!(policy.limit() < limit && policy.belief().reason == Reason::Queue, "{policy:?}");
    (policy, now, limit)
}

#[test]
fn an_upstream_that_is_slower_after_the_first_token_too_has_its_limit_back_at_once() {
    let (mut policy, mut now, limit) = lowered(LittlesLaw::new().max(40));
    now = report(&mut policy, now, 32, |_| Event::Streamed { rest: 4 * REST });
    assert_eq!((policy.limit(), policy.belief().reason), (limit, Reason::Baseline));
    // And it stays, as long as it is so slow.
    for _ in 0..50 {
        now = report(&mut policy, now, 10, |_| Event::Streamed { rest: 4 * REST });
        now = first_token(&mut policy, now, 10, 4 * FIRST);
    }
    assert!(policy.limit() >= 0.7 * limit, "{policy:?}");
}

#[test]
fn streams_that_are_as_fast_as_ever_after_a_longer_wait_have_waited_in_a_queue() {
    let (mut policy, now, limit) = lowered(LittlesLaw::new().max(40));
    report(&mut policy, now, 100, |_| Event::Streamed { rest: REST });
    assert!(policy.limit() < limit, "{policy:?}");
}

#[test]
fn a_pinned_baseline_is_the_operators_word_however_slow_the_upstream_is() {
    let (mut policy, now, limit) = lowered(LittlesLaw::new().max(40).first_token_baseline(FIRST));
    report(&mut policy, now, 100, |_| Event::Streamed { rest: 4 * REST });
    assert!(policy.limit() < limit, "{policy:?}");
}
