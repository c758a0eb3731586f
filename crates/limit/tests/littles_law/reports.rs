//! Reports without an upstream.

use std::time::{Duration, Instant};

use dashpot_limit::policy::{Event, LittlesLaw, Observation, Policy, Sample, Signal};

/// Reports `count` exchanges, 10 ms apart, under a limit that binds.
pub(crate) fn report(
    policy: &mut LittlesLaw,
    from: Instant,
    count: u32,
    event: impl Fn(Instant) -> Event,
) -> Instant {
    let mut now = from;
    for _ in 0..count {
        now += Duration::from_millis(10);
        policy
            .observe(now, &Observation { in_flight: policy.limit() as u32, departed: 1, event: event(now) });
    }
    now
}

pub(crate) fn latency(now: Instant, value: Duration, in_flight: u32) -> Event {
    let signal = Signal::Latency { output_tokens: None };
    Event::Sample(Sample { signal, value, admitted: now - value, in_flight, prompt: None })
}
