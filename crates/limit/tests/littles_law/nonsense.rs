//! Whatever is reported, in whatever order.

use std::time::Duration;

use dashpot_limit::policy::{Event, LittlesLaw, Observation, Policy, Sample, Signal};
use proptest::prelude::*;

fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        Just(Duration::ZERO),
        Just(Duration::MAX),
        (0..3_000_000_000_u64).prop_map(Duration::from_nanos),
        any::<u64>().prop_map(Duration::from_nanos),
        (0..1000_u64).prop_map(Duration::from_secs),
    ]
}

fn count() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), Just(1), Just(u32::MAX), 0..100_u32, any::<u32>()]
}

/// Times before and after the origin.
type Times = (u64, bool);

fn event() -> impl Strategy<Value = (u8, Duration, Times, u32, Option<u32>)> {
    (0..8_u8, duration(), time(), count(), proptest::option::of(count()))
}

fn time() -> impl Strategy<Value = Times> {
    (prop_oneof![0..1_000_000_000_u64, 0..10_000_000_000_000_u64], any::<bool>())
}

proptest! {
    #[test]
    fn the_limit_stays_within_its_bounds_whatever_is_reported(
        (min, more, initial) in (1..50_u32, 0..2000_u32, count()),
        pinned in proptest::option::of(duration()),
        reports in proptest::collection::vec((time(), 1..60_u32, count(), count(), event()), 1..60),
    ) {
        let origin = tokio::time::Instant::now().into_std() + Duration::from_secs(100_000);
        let (min, max) = (min, min + more);
        let mut policy = LittlesLaw::new().max(10_000).min(min).max(max).initial(initial);
        if let Some(pinned) = pinned {
            policy = policy.latency_baseline(pinned);
        }
        for ((nanos, after), repeat, in_flight, departed, (kind, value, admitted, peak, length)) in reports {
            let at = |nanos, after| match after {
                true => origin + Duration::from_nanos(nanos),
                false => origin - Duration::from_nanos(nanos),
            };
            let admitted = at(admitted.0, admitted.1);
            let sample = |signal| {
                Event::Sample(Sample { signal, value, admitted, in_flight: peak, prompt: length })
            };
            let event = match kind {
                0 => Event::Overload,
                1 => Event::Departure,
                2 => Event::Left { admitted, waited: value },
                3 => Event::Streamed { rest: value },
                4 | 5 => sample(Signal::FirstToken),
                _ => sample(Signal::Latency { output_tokens: length }),
            };
            for i in 0..repeat {
                let now = at(nanos, after) + Duration::from_millis(50) * i;
                policy.observe(now, &Observation { in_flight, departed, event });
                let limit = policy.limit();
                prop_assert!(limit >= f64::from(min) && limit <= f64::from(max), "{limit}");
                let belief = policy.belief();
                prop_assert!(belief.queue.is_none_or(f64::is_finite), "{belief:?}");
            }
            if kind == 0 && repeat % 2 == 0 {
                policy.restore(&policy.snapshot());
            }
        }
    }
}
