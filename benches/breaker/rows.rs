//! Which breakers have a row, whatever it is that is measured.

use std::time::Duration;

use dashpot::breaker::{BreakerLayer, CallBreakerLayer};
use tower::Layer;

use crate::services::{Calls, Echo, Exchange, Http, PendingOnce, Upstream};
#[cfg(feature = "peers")]
use crate::{peers, services::Wraps};

fn with_window(seconds: u64) -> BreakerLayer {
    BreakerLayer::new().failure_ratio(0.5, 20, Duration::from_secs(seconds))
}

/// Runs `row` with what makes each service under test.
pub(crate) fn http(row: &mut impl Row) {
    row.run("bare service", || Http(Upstream));
    row.run("Breaker", || Http(BreakerLayer::new().layer(Upstream)));
    row.run("Breaker, window of 1 s", || Http(with_window(1).layer(Upstream)));
    row.run("Breaker, window of 1 h", || Http(with_window(3_600).layer(Upstream)));
    #[cfg(feature = "peers")]
    {
        row.run("tower-resilience", || Http(peers::resilience(Upstream, Result::is_err, None)));
        row.run_alone("tower-circuitbreaker", || Http(peers::tower(Upstream, Result::is_err)));
    }
    row.run("bare service, pending once", || Http(PendingOnce(Upstream)));
    row.run("Breaker, pending once", || Http(BreakerLayer::new().layer(PendingOnce(Upstream))));
}

pub(crate) fn calls(row: &mut impl Row) {
    let ours = |layer| CallBreakerLayer::new(&layer);
    row.run("bare service", || Calls(Echo));
    row.run("CallBreaker", || Calls(ours(BreakerLayer::new()).layer(Echo)));
    row.run("CallBreaker, window of 1 s", || Calls(ours(with_window(1)).layer(Echo)));
    row.run("CallBreaker, window of 1 h", || Calls(ours(with_window(3_600)).layer(Echo)));
    #[cfg(feature = "peers")]
    {
        let second = Some(Duration::from_secs(1));
        row.run("tower-resilience", || Calls(peers::resilience(Echo, Result::is_err, None)));
        row.run("tower-resilience, window of 1 s", || Calls(peers::resilience(Echo, Result::is_err, second)));
        row.run_alone("tower-circuitbreaker", || Calls(peers::tower(Echo, Result::is_err)));
        row.run("recloser", || {
            let breaker = peers::recloser();
            Wraps(move |call| breaker.call(call))
        });
        row.run("failsafe", || {
            let breaker = peers::failsafe();
            Wraps(move |call| failsafe::futures::CircuitBreaker::call(&breaker, call))
        });
    }
    row.run("bare service, pending once", || Calls(PendingOnce(Echo)));
    row.run("CallBreaker, pending once", || Calls(ours(BreakerLayer::new()).layer(PendingOnce(Echo))));
}

pub(crate) trait Row {
    fn run<E: Exchange + Clone + Send>(&mut self, name: &str, make: impl Fn() -> E);

    /// Where a service has to be cloned, one that cannot be has no row.
    #[cfg(feature = "peers")]
    fn run_alone<E: Exchange>(&mut self, name: &str, make: impl Fn() -> E);
}
