//! The limits of other projects that the bench compares ours with: values worked out by hand from the originals' formulas.

#[path = "../benches/limiter/peers/mod.rs"]
mod peers;

use std::time::{Duration, Instant};

use dashpot::limit::{
    self, Policy,
    policy::{Event, Observation, Sample, Signal},
};
use peers::{EnvoyGradient, Failsafe, VectorArc};

const MAX: u32 = 200;

/// A policy, and a clock that stands still unless it is told to go on.
#[derive(Clone)]
struct Bench<P> {
    policy: P,
    now: Instant,
}

impl<P: Policy> Bench<P> {
    fn new(policy: P) -> Self {
        Self { policy, now: tokio::time::Instant::now().into_std() }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    /// One of so many exchanges in flight is over.
    fn over(&mut self, in_flight: u32, event: Event) -> f64 {
        let observation = Observation { in_flight: in_flight - 1, departed: 1, event };
        self.policy.observe(self.now, &observation);
        self.policy.limit()
    }

    /// One of so many exchanges in flight succeeds after this time.
    fn answer(&mut self, in_flight: u32, value: Duration) -> f64 {
        let signal = Signal::Latency { output_tokens: None };
        // Admitted now, whatever it took: none of these is about exchanges from another time.
        let sample = Sample { signal, value, admitted: self.now, in_flight, prompt: None };
        self.over(in_flight, Event::Sample(sample))
    }
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// `gradient_controller.cc` of Envoy at 054694f, with the defaults of its configuration:
///
/// ```text
/// gradient = clamp(1.25 min_rtt / sample_rtt, 0.5, 2)
/// limit    = clamp(limit gradient + sqrt(limit gradient), 3, max)
/// ```
#[test]
fn envoys_gradient_gives_the_limits_of_its_formula() {
    let mut envoy = Bench::new(EnvoyGradient::new(MAX, 1));
    // The shortest time is the median of 50.
    for at in 0..50 {
        assert_eq!(envoy.answer(3, if at % 2 == 0 { ms(10) } else { ms(at) }), 3.0);
    }
    assert_eq!(envoy.policy.belief().baseline, Some(ms(10)));
    let window = |envoy: &mut Bench<EnvoyGradient>, value| {
        envoy.answer(3, value);
        envoy.pass(ms(100));
        envoy.over(3, Event::Departure)
    };
    // 3 * 1.25 = 3.75, and 1.94; 5 * 1.25 = 6.25, and 2.5; 8 * 1.25 = 10, and 3.16.
    assert_eq!([10, 10, 10].map(|millis| window(&mut envoy, ms(millis))), [5.0, 8.0, 13.0]);
    // 13 * 12.5 / 20 = 8.125, and 2.85; 10 * 0.5 and 2.24, however slow; 7 * 2, and 3.74, however fast.
    assert_eq!([20, 100, 1].map(|millis| window(&mut envoy, ms(millis))), [10.0, 7.0, 17.0]);
}

/// The same file: the shortest time is measured again after five windows in a row that found the limit at 3 and left it there.
#[test]
fn envoys_gradient_measures_again_after_five_windows_at_its_lowest_limit() {
    for (windows, baseline) in [(4, ms(10)), (5, ms(100))] {
        let mut envoy = Bench::new(EnvoyGradient::new(MAX, 1));
        for _ in 0..50 {
            envoy.answer(3, ms(10));
        }
        // 3 * 0.5 = 1.5, and 1.22.
        for _ in 0..windows {
            envoy.answer(3, ms(100));
            envoy.pass(ms(100));
            assert_eq!(envoy.over(3, Event::Departure), 3.0);
        }
        for _ in 0..50 {
            envoy.answer(3, ms(100));
        }
        assert_eq!(envoy.policy.belief().baseline, Some(baseline));
    }
}

/// `adaptivelimiter.go`, and `ewma.go`, `median.go` and `util.go` of `internal/util`, of failsafe-go at 06622f2:
///
/// ```text
/// recent   = average over 5 of the median of 5 of the 90th percentile
/// baseline = average over 10 of recent              (both are plain means of the first 10)
/// queue    = ceil(limit (1 - baseline / recent))    below 3: one more; above 6: one less; while limit < 100
/// ```
#[test]
fn failsafe_gives_the_limits_of_its_formula() {
    let mut failsafe = Bench::new(Failsafe::new(MAX));
    let window = |failsafe: &mut Bench<Failsafe>, value| {
        failsafe.pass(Duration::from_secs(10));
        let limit = failsafe.policy.limit();
        for _ in 1..50 {
            assert_eq!(failsafe.answer(10, value), limit, "a window has 50 samples");
        }
        failsafe.answer(10, value)
    };
    // Nothing changes: no queue.
    for limit in 21..=30 {
        assert_eq!(window(&mut failsafe, ms(1000)), f64::from(limit));
    }
    // The median of five is still 1 s.
    assert_eq!([2000; 2].map(|millis| window(&mut failsafe, ms(millis))), [31.0, 32.0]);
    // Recent 1 + 1/3, baseline 1 + 1/3 * 2/11: 32 * (1 - 35/44) = 6.5 is a queue of 7.
    assert_eq!(window(&mut failsafe, ms(2000)), 31.0);
    assert_eq!(failsafe.policy.belief().queue, Some(7.0));
    // Recent 14/9, baseline 1.1506: 31 * 0.2603 is a queue of 9.
    assert_eq!(window(&mut failsafe, ms(2000)), 30.0);
    assert_eq!(failsafe.policy.belief().queue, Some(9.0));
}

/// The same file: a limit of more than five times what was in flight falls, though there is no queue.
#[test]
fn failsafe_keeps_the_limit_below_five_times_what_is_in_flight() {
    let mut failsafe = Bench::new(Failsafe::new(MAX));
    let limits = [19.0, 18.0, 19.0, 20.0, 19.0];
    for (limit, in_flight) in limits.into_iter().zip([4, 3, 4, 4, 4]) {
        failsafe.pass(Duration::from_secs(10));
        for _ in 0..50 {
            failsafe.answer(in_flight, ms(1000));
        }
        assert_eq!(failsafe.policy.limit(), limit);
    }
}

/// `src/sinks/util/adaptive_concurrency/controller.rs` of Vector at 05b56b7, and `lib/vector-common/src/stats/mod.rs` at
/// 8f5024a. When one mean time has passed:
///
/// ```text
/// current <= mean, and the limit was reached:           one more
/// current >= mean + 2.5 sqrt(variance), or overloaded:  limit = floor(0.9 limit)
/// variance = 0.6 (variance + 0.4 d^2);  mean = mean + 0.4 d;  d = current - mean
/// ```
#[test]
fn vectors_limit_gives_the_limits_of_its_formula() {
    let mut arc = Bench::new(VectorArc::new(MAX));
    let answer = |arc: &mut Bench<VectorArc>, in_flight, millis| {
        let limit = arc.answer(in_flight, ms(millis));
        arc.pass(Duration::from_secs(10));
        limit
    };
    // The first only begins the averages.
    assert_eq!(answer(&mut arc, 1, 1000), 1.0);
    assert_eq!(answer(&mut arc, 1, 1000), 2.0);
    assert_eq!(answer(&mut arc, 2, 1000), 3.0);
    // The limit was not reached, and without any variance an equal time is too long: 2.7.
    assert_eq!(answer(&mut arc, 1, 1000), 2.0);
    assert_eq!(answer(&mut arc, 2, 1000), 3.0);
    // Then the mean is 1.4 s and the variance 0.6 * 0.4 = 0.24: up to 2.625 s are no reason to fall.
    assert_eq!(answer(&mut arc, 1, 2000), 2.0);
    assert_eq!(answer(&mut arc.clone(), 1, 2620), 2.0);
    assert_eq!(answer(&mut arc.clone(), 1, 2630), 1.0);
    // Then they are 1.84 s and 0.6 * (0.24 + 0.4 * 1.1^2) = 0.4344: up to 3.488 s.
    assert_eq!(answer(&mut arc, 1, 2500), 2.0);
    assert_eq!(answer(&mut arc.clone(), 1, 3480), 2.0);
    assert_eq!(answer(&mut arc.clone(), 1, 3490), 1.0);
    assert_eq!(arc.over(1, Event::Overload), 1.0);
}
