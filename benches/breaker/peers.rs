//! The breakers of other crates, as their documentation sets them up: with their defaults, but for how long they wait, and
//! for probes one at a time. To all of them a status from 500 on is a failure.

use std::{
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use failsafe::{FailurePolicy, StateMachine, backoff, failure_policy, futures::CircuitBreaker as _};
use recloser::{AsyncRecloser, Recloser};
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};
use tower_circuitbreaker::CircuitBreaker as TowerBreaker;
use tower_resilience_circuitbreaker::{CircuitBreaker as Resilience, CircuitBreakerLayer, FnClassifier};

use crate::{
    contestants::{Contestant, MAX_WAIT, WAIT, boxed},
    upstream::{Answer, Asked, Upstream},
};

pub(crate) const ALL: [Contestant; 4] = [
    Contestant {
        name: "tower-resilience",
        make: |upstream| boxed(resilience(upstream, |result| result.as_ref().is_ok_and(has_failed), None)),
    },
    Contestant {
        name: "tower-circuitbreaker",
        make: |upstream| {
            // Its service cannot be cloned.
            let breaker = tower(upstream, |result| result.as_ref().is_ok_and(has_failed));
            boxed(Shared(Arc::new(Mutex::new(breaker))))
        },
    },
    Contestant {
        name: "recloser",
        make: |upstream| {
            let breaker = recloser();
            boxed(service_fn(move |request| {
                let call = breaker.call(exchange(upstream.clone(), request));
                async { call.await.map_err(|_| BoxError::from("it failed, or was refused")) }
            }))
        },
    },
    Contestant {
        name: "failsafe",
        make: |upstream| {
            let breaker = failsafe();
            boxed(service_fn(move |request| {
                let call = breaker.call(Box::pin(exchange(upstream.clone(), request)));
                async { call.await.map_err(|_| BoxError::from("it failed, or was refused")) }
            }))
        },
    },
];

fn has_failed(answer: &Answer) -> bool {
    answer.status().is_server_error()
}

/// For those that know failures from errors only.
async fn exchange(upstream: Upstream, request: Asked) -> Result<Answer, ()> {
    let Ok(answer) = upstream.oneshot(request).await;
    if has_failed(&answer) { Err(()) } else { Ok(answer) }
}

struct Shared<S>(Arc<Mutex<S>>);

impl<S> Clone for Shared<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: Service<Asked>> Service<Asked> for Shared<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.lock().expect("no call panics").poll_ready(cx)
    }

    fn call(&mut self, request: Asked) -> S::Future {
        self.0.lock().expect("no call panics").call(request)
    }
}

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
        builder = builder
            .sliding_window_type(tower_resilience_circuitbreaker::SlidingWindowType::TimeBased)
            .sliding_window_duration(window);
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
