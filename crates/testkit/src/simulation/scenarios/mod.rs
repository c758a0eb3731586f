//! What limiters are tried with.

mod clients;
mod hard;
mod model;
mod plain;

use super::Scenario;

/// All of them, in the order of the table.
#[must_use]
pub fn all() -> Vec<Scenario> {
    [plain::scenarios(), model::scenarios(), clients::scenarios(), hard::scenarios()].concat()
}

/// The one with this name.
#[must_use]
pub fn named(name: &str) -> Option<Scenario> {
    all().into_iter().find(|scenario| scenario.name == name)
}
