//! What requests and operators can say.

use std::{sync::Arc, time::Duration};

use dashpot_cache::{CacheLayer, Entry, Key, Lease, Place, Removal, Store, StoreError};
use dashpot_core::{Rejection, Tenant};
use http_body_util::BodyExt;

use crate::support::{
    Model, SECOND, ask, cache, chat, completion, layer, read, settle, since, tenant, whole, with,
};

#[tokio::test(start_paused = true)]
async fn cache_control_is_kept() {
    let model = (0..9).fold(Model::default(), |model, n| model.then(whole(&completion(&n.to_string()))));
    let cache = cache(&layer(), &model);
    let say = |directive: &str| with(chat("Why?", false), "cache-control", directive);

    let missing = ask(&cache, say("only-if-cached")).await;
    assert_eq!(missing.status(), 504);
    assert_eq!(missing.extensions().get::<Rejection>().map(Rejection::layer), Some("cache"));
    assert!(missing.into_body().collect().await.unwrap().to_bytes().starts_with(b"{\"error\""));
    assert_eq!(model.calls(), 0);

    assert_eq!(read(&cache, say("no-store")).await.0, "dashpot; fwd=bypass");
    assert_eq!(read(&cache, chat("Why?", false)).await.0, "dashpot; fwd=miss");
    assert!(read(&cache, say("only-if-cached")).await.1.contains("\"1\""));
    tokio::time::sleep(10 * SECOND).await;
    assert!(read(&cache, say("max-age=10")).await.1.contains("\"1\""));
    let (status, text) = read(&cache, say("max-age=9")).await;
    assert_eq!((status.as_str(), text.contains("\"2\"")), ("dashpot; fwd=miss", true));
    let (status, text) = read(&cache, say("no-cache")).await;
    assert_eq!((status.as_str(), text.contains("\"3\"")), ("dashpot; fwd=request", true));
    assert!(read(&cache, chat("Why?", false)).await.1.contains("\"3\""), "what came is kept");
}

#[tokio::test(start_paused = true)]
async fn an_entry_says_its_age_and_is_gone_after_its_time() {
    let model = Model::default().then(whole(&completion("a"))).then(whole(&completion("b")));
    let cache = cache(&layer().ttl(100 * SECOND), &model);
    read(&cache, chat("Why?", false)).await;
    tokio::time::sleep(89 * SECOND).await;
    let answer = ask(&cache, chat("Why?", false)).await;
    assert_eq!(answer.headers()["age"], "89");
    tokio::time::sleep(11 * SECOND).await;
    assert!(read(&cache, chat("Why?", false)).await.1.contains("\"b\""));
}

#[tokio::test(start_paused = true)]
async fn a_stale_answer_goes_out_while_another_is_fetched() {
    let model = Model::default().then(whole(&completion("a"))).after(SECOND, whole(&completion("b")));
    let layer = layer().ttl(10 * SECOND).stale_while_revalidate(20 * SECOND);
    let cache = cache(&layer, &model);
    read(&cache, chat("Why?", false)).await;
    tokio::time::sleep(15 * SECOND).await;
    for _ in 0..5 {
        assert!(read(&cache, chat("Why?", false)).await.1.contains("\"a\""));
    }
    assert_eq!(model.calls(), 2, "one call for all");
    tokio::time::sleep(2 * SECOND).await;
    assert!(read(&cache, chat("Why?", false)).await.1.contains("\"b\""));
    assert_eq!((layer.handle().stats().stale, model.calls()), (5, 2));
}

#[tokio::test(start_paused = true)]
async fn a_stale_answer_stands_in_for_an_upstream_that_fails() {
    let failure = || {
        let mut answer = whole(&serde_json::json!({"error": {}}));
        *answer.status_mut() = http::StatusCode::BAD_GATEWAY;
        answer
    };
    let model = Model::default().then(whole(&completion("a"))).then(failure()).then(failure());
    let cache = cache(&layer().ttl(10 * SECOND).stale_if_error(20 * SECOND), &model);
    read(&cache, chat("Why?", false)).await;
    tokio::time::sleep(15 * SECOND).await;
    let (status, text) = read(&cache, chat("Why?", false)).await;
    assert!(text.contains("\"a\"") && status.contains("hit; ttl=-"), "{status}");
    tokio::time::sleep(20 * SECOND).await;
    assert_eq!(ask(&cache, chat("Why?", false)).await.status(), 502);
}

#[tokio::test(start_paused = true)]
async fn answers_are_removed_by_entry_by_tag_and_by_tenant_of_that_tenant_only() {
    let model = (0..20).fold(Model::default(), |model, n| model.then(whole(&completion(&n.to_string()))));
    let layer = layer().tags(|head| {
        head.headers.get("x-tag").and_then(|tag| tag.to_str().ok()).map(Arc::from).into_iter().collect()
    });
    let (cache, handle) = (cache(&layer, &model), layer.handle());
    let (acme, other) = (Tenant::new("acme").unwrap(), Tenant::new("other").unwrap());
    let fill = async || {
        read(&cache, chat("a", false)).await;
        read(&cache, with(chat("b", false), "x-tag", "t")).await;
        read(&cache, with(with(chat("a", false), "x-tag", "t"), "x-tenant", "other")).await;
    };
    let kept = async || {
        let mut kept = Vec::new();
        for (text, tenant) in [("a", "acme"), ("b", "acme"), ("a", "other")] {
            let request =
                with(with(chat(text, false), "x-tenant", tenant), "cache-control", "only-if-cached");
            kept.push(ask(&cache, request).await.status() == 200);
        }
        kept
    };
    fill().await;
    let answer = ask(&cache, chat("a", false)).await;
    let said = answer.headers()["cache-status"].to_str().unwrap();
    let key = said.split("key=\"").nth(1).unwrap().split('"').next().unwrap();
    let key: Key = key.parse().unwrap();
    handle.remove(Removal::Entry(other.clone(), key)).await.unwrap();
    assert_eq!(kept().await, [true, true, true]);
    handle.remove(Removal::Entry(acme.clone(), key)).await.unwrap();
    assert_eq!(kept().await, [false, true, true]);
    fill().await;
    handle.remove(Removal::Tagged(acme.clone(), "t".into())).await.unwrap();
    assert_eq!(kept().await, [true, false, true]);
    fill().await;
    handle.remove(Removal::Tenant(other)).await.unwrap();
    assert_eq!(kept().await, [true, true, false]);
}

/// A store that hangs, or fails.
#[derive(Debug)]
struct Bad {
    hangs: bool,
}

impl Store for Bad {
    async fn get(&self, _: Place) -> Result<Option<Arc<Entry>>, StoreError> {
        if self.hangs {
            std::future::pending::<()>().await;
        }
        Err(StoreError::new("it is broken"))
    }

    async fn find(&self, _: &Tenant, _: Key) -> Result<Option<Arc<Entry>>, StoreError> {
        Err(StoreError::new("it is broken"))
    }

    async fn put(&self, entry: Arc<Entry>, _: Option<Lease>) -> Result<bool, StoreError> {
        self.get(entry.place()).await.map(|_| true)
    }

    async fn remove(&self, _: Removal) -> Result<(), StoreError> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_or_hangs_is_a_miss_within_the_budget() {
    for hangs in [false, true] {
        let model = Model::default().then(whole(&completion("a"))).then(whole(&completion("b")));
        let layer = CacheLayer::new(Bad { hangs }, tenant).budget(Duration::from_millis(30));
        let cache = cache(&layer, &model);
        for n in 1..=2_u32 {
            let start = tokio::time::Instant::now();
            let (status, _) = read(&cache, chat(&n.to_string(), false)).await;
            assert_eq!(status, "dashpot; fwd=miss");
            assert!(since(start) <= Duration::from_millis(31), "{:?}", since(start));
        }
        settle().await;
        assert_eq!(layer.handle().stats().stored, 0);
        assert!(layer.handle().stats().store_failures >= 2);
    }
}
