//! Where a limiter that looks for a queue is expected to lose.

use crate::simulation::Scenario;

pub(super) fn scenarios() -> Vec<Scenario> {
    Vec::new()
}
