//! What streams take after their first content tells a slower upstream from a queue.

use std::time::{Duration, Instant};

use dashpot_limit::policy::{Event, LittlesLaw, Observation, Policy, Reason, Sample, Signal};

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

/// Streams that end while so many others are in flight.
fn rests(policy: &mut LittlesLaw, from: Instant, count: u32, rest: Duration, in_flight: u32) -> Instant {
    let mut now = from;
    for _ in 0..count {
        now += Duration::from_millis(10);
        policy.observe(now, &Observation { in_flight, departed: 1, event: Event::Streamed { rest } });
    }
    now
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

#[test]
fn streams_that_are_slower_by_as_much_as_more_are_in_flight_share_what_there_is() {
    let (mut policy, mut now) = (LittlesLaw::new().max(40), tokio::time::Instant::now().into_std());
    for _ in 0..30 {
        now = rests(&mut policy, now, 10, REST, 9);
        now = first_token(&mut policy, now, 10, FIRST);
    }
    let limit = policy.limit();
    now = first_token(&mut policy, now, 40, 4 * FIRST);
    let lowered = policy.limit();
    assert!(lowered < limit, "{policy:?}");
    now = rests(&mut policy, now, 32, 4 * REST, 39);
    assert_eq!(policy.limit(), lowered, "four times as many were in flight: {policy:?}");
    rests(&mut policy, now, 32, 4 * REST, 14);
    assert_eq!(policy.limit(), limit);
}

#[test]
fn streams_of_long_ago_explain_nothing_of_now() {
    let (mut policy, mut now, limit) = lowered(LittlesLaw::new().max(40));
    now += Duration::from_secs(61);
    now = report(&mut policy, now, 31, |_| Event::Streamed { rest: 4 * REST });
    assert!(policy.limit() < limit, "{policy:?}");
    report(&mut policy, now, 1, |_| Event::Streamed { rest: 4 * REST });
    assert_eq!(policy.limit(), limit);
}

#[test]
fn nor_do_they_before_one_of_now_has_ended() {
    let (mut policy, mut now) = (LittlesLaw::new().max(40), tokio::time::Instant::now().into_std());
    for _ in 0..30 {
        now = report(&mut policy, now, 10, |_| Event::Streamed { rest: REST });
        now = first_token(&mut policy, now, 10, FIRST);
    }
    let limit = policy.limit();
    now = report(&mut policy, now, 32, |_| Event::Streamed { rest: 4 * REST });
    first_token(&mut policy, now + Duration::from_secs(61), 80, 4 * FIRST);
    assert!(policy.limit() < limit && policy.belief().reason == Reason::Queue, "{policy:?}");
}

#[test]
fn clients_that_leave_are_not_explained_by_streams_that_are_longer() {
    let (mut policy, mut now) = (LittlesLaw::new().max(400), tokio::time::Instant::now().into_std());
    for _ in 0..30 {
        now = report(&mut policy, now, 10, |_| Event::Streamed { rest: REST });
        now = first_token(&mut policy, now, 10, FIRST);
    }
    let (before, waited) = (policy.limit(), Duration::from_millis(2500));
    let leave = |policy: &mut LittlesLaw, now| {
        let now = report(policy, now, 9, |now| Event::Left { admitted: now - waited, waited });
        first_token(policy, now, 1, waited)
    };
    let mut other = policy.clone();
    now = report(&mut policy, now, 32, |_| Event::Streamed { rest: 16 * REST });
    for _ in 0..20 {
        now = leave(&mut policy, now);
    }
    assert!(policy.limit() < before && policy.belief().reason == Reason::Queue, "{policy:?}");
    // Nor is a decrease taken back, if that is seen only then.
    for _ in 0..100 {
        if other.limit() < before {
            break;
        }
        now = leave(&mut other, now);
    }
    let lowered = other.limit();
    assert!(lowered < before, "{other:?}");
    report(&mut other, now, 32, |_| Event::Streamed { rest: 16 * REST });
    assert_eq!(other.limit(), lowered);
}

#[test]
fn a_wait_that_goes_down_with_the_limit_is_a_queue_whatever_the_rest_of_the_streams_says() {
    let (mut policy, mut now, limit) = lowered(LittlesLaw::new().max(40));
    let both = |policy: &mut LittlesLaw, now, first| {
        let now = report(policy, now, 10, |_| Event::Streamed { rest: 4 * REST });
        first_token(policy, now, 10, first)
    };
    // It is believed to be slower, until that is tried.
    for _ in 0..100 {
        now = both(&mut policy, now, 4 * FIRST);
        if policy.belief().reason == Reason::Probe {
            break;
        }
        assert!(policy.limit() >= limit || policy.belief().reason == Reason::Queue, "{policy:?}");
    }
    assert_eq!(policy.belief().reason, Reason::Probe);
    for _ in 0..100 {
        if policy.belief().reason != Reason::Probe {
            break;
        }
        now = both(&mut policy, now, 2 * FIRST);
    }
    assert_eq!(policy.limit(), limit);
    for _ in 0..4 {
        now = both(&mut policy, now, 4 * FIRST);
    }
    now = report(&mut policy, now, 64, |_| Event::Streamed { rest: 4 * REST });
    assert!(policy.limit() < limit, "{now:?} {policy:?}");
}
