//! It does what every store, index and lease does.

use dashpot_testkit_cache::{Subject, conformance};

use crate::support::Fixture;

conformance!({
    let guard = Fixture::with(|config| config.connections(8)).await;
    Subject { store: guard.store.clone(), index: guard.store.clone(), leases: guard.store.clone(), guard }
});
