//! The breakers of other crates, as their documentation sets them up: with their defaults, but for how long they wait, and
//! for probes one at a time.

use std::time::Duration;

use failsafe::{FailurePolicy, StateMachine, backoff, failure_policy};
use recloser::{AsyncRecloser, Recloser};
use tower::{Layer, Service};
use tower_circuitbreaker::CircuitBreaker as TowerBreaker;
use tower_resilience_circuitbreaker::{
    CircuitBreaker as Resilience, CircuitBreakerLayer, FnClassifier, SlidingWindowType,
};

use crate::{MAX_WAIT, WAIT};

type IsFailure<R, E> = fn(&Result<R, E>) -> bool;

/// Its window is of 100 calls; `window` makes it one of time.
pub(crate) fn resilience<S, R, E>(
    inner: S,
    is_failure: IsFailure<R, E>,
    window: Option<Duration>,
) -> Resilience<S, FnClassifier<IsFailure<R, E>>>
where
    R: 'static,
    E: 'static,
{
    let mut builder = CircuitBreakerLayer::builder().wait_duration_in_open(WAIT);
    if let Some(window) = window {
        builder = builder.sliding_window_type(SlidingWindowType::TimeBased).sliding_window_duration(window);
    }
    builder.failure_classifier(is_failure).build().expect("its defaults are valid").layer(inner)
}

pub(crate) fn tower<S, Q, R, E>(inner: S, is_failure: IsFailure<R, E>) -> TowerBreaker<S, Q, R, E>
where
    S: Service<Q>,
    R: 'static,
    E: 'static,
{
    tower_circuitbreaker::circuit_breaker_builder()
        .wait_duration_in_open(WAIT)
        .permitted_calls_in_half_open(1)
        .failure_classifier(is_failure)
        .build()
        .layer(inner)
}

pub(crate) fn recloser() -> AsyncRecloser {
    Recloser::custom().half_open_len(1).open_wait(WAIT).build().into()
}

pub(crate) fn failsafe() -> StateMachine<impl FailurePolicy, ()> {
    // It takes whole seconds only.
    let scale: fn(Duration) -> Duration = |wait| wait / 10;
    let backoff = backoff::equal_jittered(10 * WAIT, 10 * MAX_WAIT).map(scale);
    // The figures are those of its defaults, which cannot be had with another backoff.
    let rate =
        failure_policy::success_rate_over_time_window(0.8, 5, Duration::from_secs(30), backoff.clone());
    failsafe::Config::new()
        .failure_policy(rate.or_else(failure_policy::consecutive_failures(5, backoff)))
        .build()
}
