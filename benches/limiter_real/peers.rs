//! The limits of other crates, as their documentation sets them up.
#![allow(dead_code, reason = "not every bench has a row for each")]

use tower::{Layer, limit::ConcurrencyLimit};
use tower_acc::{ConcurrencyLimit as Acc, Gradient2, Vegas};
use tower_resilience_adaptive::{
    AdaptiveError, AdaptiveLimiterLayer, AdaptiveService, Vegas as ResilienceVegas,
};

/// `limit` exchanges at once, whatever they take.
pub(crate) fn tower<S>(inner: S, limit: usize) -> ConcurrencyLimit<S> {
    ConcurrencyLimit::new(inner, limit)
}

pub(crate) fn acc<S>(inner: S) -> Acc<S, Vegas> {
    Acc::new(inner, Vegas::default())
}

pub(crate) fn acc_gradient<S>(inner: S) -> Acc<S, Gradient2> {
    Acc::new(inner, Gradient2::default())
}

pub(crate) fn resilience<S>(inner: S) -> AdaptiveService<S, ResilienceVegas> {
    let vegas = ResilienceVegas::builder().build().expect("its defaults are valid");
    AdaptiveLimiterLayer::new(vegas).layer(inner)
}

/// The error of the service within: a semaphore that nobody closes refuses nobody.
pub(crate) fn inner_error<E>(error: AdaptiveError<E>) -> E {
    match error {
        AdaptiveError::Service(error) => error,
        AdaptiveError::LimitReached => unreachable!("the semaphore is open"),
    }
}
