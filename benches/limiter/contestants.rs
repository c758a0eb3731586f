//! The limiters that are compared.

use std::time::Instant;

use dashpot_testkit::simulation::{Controller, Oracle};

use crate::{
    adapter::Simulated,
    limit::policy::{Fixed, LittlesLaw},
};

/// What no upstream here can take.
const NONE: u32 = 1000;

pub(crate) struct Contestant {
    /// For the command line.
    pub(crate) name: &'static str,
    /// For the table.
    pub(crate) title: &'static str,
    /// A new one, and the time of its beginning.
    pub(crate) make: fn(Instant) -> Box<dyn Controller>,
}

/// Ours first.
pub(crate) const ALL: &[Contestant] = &[
    Contestant {
        name: "ours",
        title: "LittlesLaw (ours)",
        make: |epoch| Box::new(Simulated::new(LittlesLaw::new(), epoch)),
    },
    Contestant { name: "fixed", title: "Fixed at the true capacity", make: |_| Box::new(Oracle::new()) },
    Contestant {
        name: "none",
        title: "none (1000)",
        make: |epoch| Box::new(Simulated::new(Fixed::new(NONE), epoch)),
    },
];
