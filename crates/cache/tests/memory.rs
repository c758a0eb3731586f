//! The store, index and leases in memory do what all of them do.

use dashpot_cache::{FlatIndex, MemoryStore};
use dashpot_testkit_cache::{Subject, conformance};

conformance!({
    let store = MemoryStore::new(1 << 26);
    Subject { leases: store.clone(), store, index: FlatIndex::new(10_000), guard: () }
});
