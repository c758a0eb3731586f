//! The checks that every store passes, with each of the engines that find what is similar.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::LazyLock;

use dashpot_cache_redis::{Config, RedisStore, Semantic};
use dashpot_testkit::servers::Redis;
use dashpot_testkit_cache::Subject;

type Checked = Subject<RedisStore, RedisStore, RedisStore, ()>;

async fn subject(url: &str, semantic: Semantic) -> Checked {
    let config: Config = url.parse().unwrap();
    let prefix = format!("dashpot-test:{}:{:?}", std::process::id(), semantic);
    let store = RedisStore::new(config.prefix(&prefix).unwrap()).unwrap();
    store.connected().await;
    assert_eq!(store.semantic(), Some(semantic));
    Subject { index: store.clone(), leases: store.clone(), store, guard: () }
}

mod vector_sets {
    use super::*;

    static SERVER: LazyLock<Redis> = LazyLock::new(|| Redis::start(&[]));

    dashpot_testkit_cache::conformance!(
        subject(&Redis::existing().unwrap_or_else(|| SERVER.url()), Semantic::VectorSets).await
    );
}

mod search {
    use super::*;

    static SERVER: LazyLock<Redis> = LazyLock::new(|| {
        let without_sets = ["--user", "default", "on", "nopass", "~*", "&*", "+@all", "-vcard"];
        Redis::with_search(&without_sets)
    });

    dashpot_testkit_cache::conformance!(subject(&SERVER.url(), Semantic::Search).await);
}
