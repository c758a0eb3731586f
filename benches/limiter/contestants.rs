//! The limiters that are compared.

use std::time::Instant;

use dashpot_testkit::simulation::{Controller, Oracle};

use crate::{
    adapter::Simulated,
    limit::policy::{Aimd, Fixed, Gradient2, LittlesLaw, Vegas},
    peers::{EnvoyGradient, Failsafe, VectorArc},
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
    Contestant {
        name: "aimd",
        title: "AIMD",
        make: |epoch| Box::new(Simulated::new(Aimd::new().bounds(1, NONE), epoch)),
    },
    Contestant {
        name: "vegas",
        title: "Vegas",
        make: |epoch| Box::new(Simulated::new(Vegas::new().bounds(1, NONE), epoch)),
    },
    Contestant {
        name: "gradient2",
        title: "Gradient2",
        make: |epoch| Box::new(Simulated::new(Gradient2::new().bounds(1, NONE), epoch)),
    },
    Contestant {
        name: "envoy",
        title: "Envoy gradient",
        make: |epoch| Box::new(Simulated::new(EnvoyGradient::new(NONE, 1), epoch)),
    },
    Contestant {
        name: "failsafe",
        title: "failsafe-go",
        make: |epoch| Box::new(Simulated::new(Failsafe::new(NONE), epoch)),
    },
    Contestant {
        name: "arc",
        title: "Vector ARC",
        make: |epoch| Box::new(Simulated::new(VectorArc::new(NONE), epoch)),
    },
];
