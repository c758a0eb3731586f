use metrics::counter;

use crate::{Call, Observer, Reason, Transition};

/// Counts what a breaker does with the recorder of the [`metrics`] crate.
///
/// | metric | labels | of |
/// |---|---|---|
/// | `breaker_transitions_total` | `from`, `to` ([`BreakerState::name`](crate::BreakerState::name)), `reason` ([`Reason::name`]) | changes of the state |
/// | `breaker_thresholds_total` | `reason` | times that it would have opened, had it not been for metrics only |
/// | `breaker_calls_total` | `call` ([`Call::name`]) | calls |
///
/// No label is a key, of which there is no end.
#[derive(Clone, Copy, Debug, Default)]
pub struct MetricsObserver;

impl Observer for MetricsObserver {
    fn on_transition(&self, transition: &Transition) {
        let (from, to) = (transition.from.name(), transition.to.name());
        counter!("breaker_transitions_total", "from" => from, "to" => to, "reason" => transition.reason.name())
            .increment(1);
    }

    fn on_threshold(&self, reason: Reason) {
        counter!("breaker_thresholds_total", "reason" => reason.name()).increment(1);
    }

    fn on_call(&self, call: Call) {
        counter!("breaker_calls_total", "call" => call.name()).increment(1);
    }
}
