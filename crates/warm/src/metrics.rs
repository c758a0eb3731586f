use metrics::{counter, histogram};

use crate::{ColdRequest, Observer, Start, WarmState};

/// Counts what happens to upstreams with the recorder of the [`metrics`] crate.
///
/// | metric | labels | of |
/// |---|---|---|
/// | `warm_transitions_total` | `from`, `to` ([`WarmState::name`]) | changes of the state |
/// | `warm_start_seconds` | `part` (`start`, `probe`, `prime`) | starts that worked |
/// | `warm_cold_requests_total` | `what` ([`ColdRequest::name`]) | requests that did not find their upstream ready |
///
/// No label is a key, of which there is no end.
#[derive(Clone, Copy, Debug, Default)]
pub struct MetricsObserver;

impl Observer for MetricsObserver {
    fn on_state(&self, from: WarmState, to: WarmState) {
        counter!("warm_transitions_total", "from" => from.name(), "to" => to.name()).increment(1);
    }

    fn on_start(&self, start: &Start) {
        for (part, took) in [("start", start.start), ("probe", start.probe), ("prime", start.prime)] {
            histogram!("warm_start_seconds", "part" => part).record(took);
        }
    }

    fn on_request(&self, request: ColdRequest) {
        counter!("warm_cold_requests_total", "what" => request.name()).increment(1);
    }
}
