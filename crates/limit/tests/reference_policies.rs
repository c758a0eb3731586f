//! The policies that are here to be compared with: each gives the limits of the original's formulas, written down a second
//! time, in the original's own order, over the same random samples.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::time::{Duration, Instant};

use dashpot_limit::policy::{Aimd, Event, Gradient2, Observation, Policy, Sample, Signal, Vegas};
use proptest::prelude::*;

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn observation(admitted: Instant, value: Duration, in_flight: u32) -> Observation {
    let signal = Signal::Latency { output_tokens: None };
    let event = Event::Sample(Sample { signal, value, admitted, in_flight, prompt: None });
    Observation { in_flight, departed: 1, event }
}

const OVERLOAD: Observation = Observation { in_flight: 1, departed: 1, event: Event::Overload };

/// Milliseconds, share of the limit in flight, whether it is an overload.
fn samples() -> impl Strategy<Value = Vec<(u64, f64, bool)>> {
    prop::collection::vec((1_u64..7000, 0.0..1.2, prop::bool::weighted(0.05)), 1..400)
}

proptest! {
    /// `AIMDLimit.java` at 784c960: `if (didDrop || rtt > timeout) limit = (int) (limit * backoffRatio); else if (inflight * 2 >= limit) limit++`.
    #[test]
    fn aimd_is_that_of_the_original(samples in samples()) {
        let (mut policy, mut limit, now) = (Aimd::new(), 20_u32, now());
        for (millis, share, overload) in samples {
            let in_flight = (share * f64::from(limit)) as u32;
            let value = Duration::from_millis(millis);
            policy.observe(now, &if overload { OVERLOAD } else { observation(now, value, in_flight) });
            if overload || millis > 5000 {
                limit = (f64::from(limit) * 0.9) as u32;
            } else if in_flight * 2 >= limit {
                limit += 1;
            }
            limit = limit.clamp(20, 200);
            prop_assert_eq!(policy.limit(), f64::from(limit));
        }
    }

    /// `VegasLimit.java` at 7989055, without its probes, which come only after 15 samples for each exchange of the limit.
    #[test]
    fn vegas_is_that_of_the_original(samples in samples()) {
        let (mut policy, mut limit, mut no_load, now) = (Vegas::new(), 20.0_f64, 0.0, now());
        // No probe within so many samples.
        for (millis, share, overload) in samples.into_iter().take(14) {
            let in_flight = (share * limit) as u32;
            let value = Duration::from_millis(millis);
            policy.observe(now, &if overload { OVERLOAD } else { observation(now, value, in_flight) });
            // In seconds, since a quotient that is whole may be rounded otherwise in another unit.
            let seconds = value.as_secs_f64();
            let log = f64::max(1.0, (limit as u32).ilog10().into());
            if overload {
                limit -= log;
            } else if no_load == 0.0 || seconds < no_load {
                no_load = seconds;
                continue;
            } else if f64::from(in_flight) * 2.0 >= limit {
                let queue = (limit * (1.0 - no_load / seconds)).ceil();
                if queue <= log {
                    limit += 6.0 * log;
                } else if queue < 3.0 * log {
                    limit += log;
                } else if queue > 6.0 * log {
                    limit -= log;
                }
            }
            limit = limit.clamp(1.0, 1000.0);
            prop_assert_eq!(policy.limit(), limit);
        }
    }

    /// `Gradient2Limit.java` in `WindowedLimit.java`: a window ends with the first sample after its second, however few
    /// are in it, and counts with ten.
    #[test]
    fn gradient2_is_that_of_the_original(samples in samples(), gap in 20_u64..200) {
        let (mut policy, start) = (Gradient2::new(), now());
        let (mut limit, mut long, mut sum, mut count) = (20.0_f64, 0.0_f64, 0.0, 0);
        let (mut elapsed, mut next_update, mut window) = (1_u64, 0_u64, Vec::new());
        for (millis, share, _) in samples {
            let in_flight = (share * limit) as u32;
            elapsed += gap;
            let now = start + Duration::from_millis(elapsed);
            policy.observe(now, &observation(now, Duration::from_millis(millis), in_flight));
            window.push((millis as f64 / 1e3, in_flight));
            if elapsed > next_update {
                next_update = elapsed + 1000;
                let window = std::mem::take(&mut window);
                if window.len() >= 10 {
                    let short = window.iter().map(|&(time, _)| time).sum::<f64>() / window.len() as f64;
                    let in_flight = window.iter().map(|&(_, in_flight)| in_flight).max().unwrap();
                    if count < 10 {
                        (count, sum) = (count + 1, sum + short);
                        long = sum / f64::from(count);
                    } else {
                        let factor = 2.0 / 601.0;
                        long = long * (1.0 - factor) + short * factor;
                    }
                    let before = long;
                    if before / short > 2.0 {
                        long *= 0.95;
                    }
                    if f64::from(in_flight) >= limit / 2.0 {
                        let gradient = (1.5 * before / short).clamp(0.5, 1.0);
                        let new = limit * gradient + 4.0;
                        limit = (limit * 0.8 + new * 0.2).clamp(20.0, 200.0);
                    }
                }
            }
            prop_assert!((policy.limit() - limit).abs() < 1e-9, "{} is not {limit}", policy.limit());
        }
    }

    #[test]
    fn no_report_leads_out_of_the_bounds(
        reports in prop::collection::vec((0_u8..4, any::<u64>(), any::<u32>(), any::<u32>(), -1e9..1e9), 0..300),
    ) {
        let policies: [Box<dyn Policy>; 3] = [
            Box::new(Aimd::new().bounds(2, 50)),
            Box::new(Vegas::new().bounds(2, 50)),
            Box::new(Gradient2::new().bounds(2, 50)),
        ];
        let start = now() + Duration::from_secs(1 << 20);
        for mut policy in policies {
            for &(kind, nanos, in_flight, departed, limit) in &reports {
                let nanos = nanos >> (nanos % 64);
                let value = Duration::from_nanos(nanos);
                let at = start - Duration::from_nanos(nanos % (1 << 49));
                let mut report = observation(at, value, in_flight);
                report.departed = departed;
                match kind {
                    0 => report.event = Event::Overload,
                    1 => report.event = Event::Left { admitted: at, waited: value },
                    2 => policy.set_limit(limit),
                    _ => {}
                }
                policy.observe(at, &report);
                prop_assert!((2.0..=50.0).contains(&policy.limit()), "{policy:?}");
            }
        }
    }
}

/// `VegasLimit.java`: `probeJitter * 30 * limit <= probeCount`, with a jitter of 0.5 to 1 that is 0.75 and 0.559 here.
#[test]
fn vegas_forgets_the_shortest_time_after_so_many_samples_and_an_overload_is_none() {
    let (mut policy, now) = (Vegas::new().bounds(20, 1000), now());
    let mut report = |millis| {
        // So few in flight say nothing of the limit, so it stays at 20; and an overload cannot lower it.
        policy.observe(now, &observation(now, Duration::from_millis(millis), 1));
        policy.observe(now, &OVERLOAD);
        policy.belief().baseline
    };
    for (before, after, samples) in [(100, 200, 450), (200, 300, 336)] {
        for _ in 1..samples {
            assert_eq!(report(before), Some(Duration::from_millis(before)));
        }
        assert_eq!(report(after), Some(Duration::from_millis(after)));
    }
}
