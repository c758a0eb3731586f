//! It does what every store, index and lease does, by each of the engines that find what is similar.

use dashpot_testkit_cache::{Subject, conformance};

use crate::support::Fixture;

type Redis = Subject<
    dashpot_cache_redis::RedisStore,
    dashpot_cache_redis::RedisStore,
    dashpot_cache_redis::RedisStore,
    Fixture,
>;

fn subject(guard: Fixture) -> Redis {
    Subject { store: guard.store.clone(), index: guard.store.clone(), leases: guard.store.clone(), guard }
}

mod vector_sets {
    use super::*;

    conformance!({ subject(Fixture::start().await) });
}

mod search {
    use super::*;

    conformance!({
        let [_, search] = Fixture::each().await;
        subject(search)
    });
}
