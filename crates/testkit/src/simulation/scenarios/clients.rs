//! Clients that leave, try again, or are many.

use crate::simulation::Scenario;

pub(super) fn scenarios() -> Vec<Scenario> {
    Vec::new()
}
