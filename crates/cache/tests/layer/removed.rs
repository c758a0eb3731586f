//! What was removed does not come back by a call that began before.

use std::sync::Arc;

use dashpot_cache::{
    CacheLayer, Entry, FlatIndex, Handle, Key, Lease, MemoryStore, Place, Removal, Similar, Store, StoreError,
};
use dashpot_core::{Embedding, Tenant};

use tokio::time::sleep;
use tower::service_fn;

use crate::support::{Model, SECOND, cache, chat, completion, layer, read, settle, whole, with};

fn acme() -> Tenant {
    Tenant::new("acme").unwrap()
}

fn tagged() -> CacheLayer<MemoryStore> {
    layer().tags(|head| {
        head.headers.get("x-tag").and_then(|tag| tag.to_str().ok()).map(Arc::from).into_iter().collect()
    })
}

#[tokio::test(start_paused = true)]
async fn a_call_that_began_before_a_removal_keeps_nothing_of_what_it_was_about() {
    let other = Tenant::new("other").unwrap();
    for (what, is_kept) in [
        (Removal::Tenant(acme()), false),
        (Removal::Tagged(acme(), "t".into()), false),
        (Removal::Tagged(acme(), "s".into()), true),
        (Removal::Tenant(other.clone()), true),
        (Removal::Tagged(other, "t".into()), true),
    ] {
        let model =
            Model::default().after(SECOND, whole(&completion("before"))).then(whole(&completion("after")));
        let layer = tagged();
        let (cache, handle) = (cache(&layer, &model), layer.handle());
        let asking = tokio::spawn({
            let cache = cache.clone();
            async move { read(&cache, with(chat("Why?", false), "x-tag", "t")).await }
        });
        sleep(SECOND / 2).await;
        handle.remove(what.clone()).await.unwrap();
        assert!(asking.await.unwrap().1.contains("before"));
        let said = read(&cache, chat("Why?", false)).await.1;
        assert_eq!(said.contains("before"), is_kept, "{what:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks_after_a_removal_does_not_join_a_call_that_began_before() {
    let model =
        Model::default().after(SECOND, whole(&completion("before"))).then(whole(&completion("after")));
    let layer = layer();
    let cache = cache(&layer, &model);
    let before = tokio::spawn({
        let cache = cache.clone();
        async move { read(&cache, chat("Why?", false)).await.1 }
    });
    sleep(SECOND / 2).await;
    layer.handle().remove(Removal::Tenant(acme())).await.unwrap();
    assert!(read(&cache, chat("Why?", false)).await.1.contains("after"));
    assert!(before.await.unwrap().contains("before"));
    settle().await;
    assert!(read(&cache, chat("Why?", false)).await.1.contains("after"));
}

#[tokio::test(start_paused = true)]
async fn a_call_of_a_layer_that_was_replaced_keeps_nothing_that_was_removed_since() {
    for knows in [false, true] {
        let model =
            Model::default().after(SECOND, whole(&completion("before"))).then(whole(&completion("after")));
        let store = MemoryStore::new(1 << 20);
        let new = || CacheLayer::new(store.clone(), |_| Some(acme()));
        let before = new();
        let after = if knows { new().in_place_of(&before) } else { new() };
        let (old, new) = (cache(&before, &model), cache(&after, &model));
        let asking = tokio::spawn(async move { read(&old, chat("Why?", false)).await });
        sleep(SECOND / 2).await;
        after.handle().remove(Removal::Tenant(acme())).await.unwrap();
        assert!(asking.await.unwrap().1.contains("before"));
        settle().await;
        assert_eq!(read(&new, chat("Why?", false)).await.1.contains("before"), !knows);
    }
}

/// A store into which nothing comes before a second has passed.
#[derive(Debug)]
struct Slow(MemoryStore);

impl Store for Slow {
    async fn get(&self, place: Place) -> Result<Option<Arc<Entry>>, StoreError> {
        self.0.get(place).await
    }

    async fn find(&self, tenant: &Tenant, key: Key) -> Result<Option<Arc<Entry>>, StoreError> {
        self.0.find(tenant, key).await
    }

    async fn put(&self, entry: Arc<Entry>, lease: Option<Lease>) -> Result<bool, StoreError> {
        sleep(SECOND).await;
        self.0.put(entry, lease).await
    }

    async fn remove(&self, what: Removal) -> Result<(), StoreError> {
        self.0.remove(what).await
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_on_its_way_into_the_store_is_removed_too() {
    let model = Model::default().then(whole(&completion("a"))).then(whole(&completion("b")));
    let layer = CacheLayer::new(Slow(MemoryStore::new(1 << 20)), crate::support::tenant);
    let (cache, handle) = (cache(&layer, &model), layer.handle());
    read(&cache, chat("Why?", false)).await;
    sleep(SECOND / 2).await;
    handle.remove(Removal::Tenant(acme())).await.unwrap();
    sleep(SECOND).await;
    assert_eq!(read(&cache, chat("Why?", false)).await.0, "dashpot; fwd=miss");
}

/// After more removals than are remembered, a call that began before all of them keeps nothing at all.
#[tokio::test(start_paused = true)]
async fn a_flood_of_removals_forgets_none() {
    let model = Model::default().after(SECOND, whole(&completion("a"))).then(whole(&completion("b")));
    let layer = layer();
    let (cache, handle): (_, Handle<_>) = (cache(&layer, &model), layer.handle());
    let asking = tokio::spawn({
        let cache = cache.clone();
        async move { read(&cache, chat("Why?", false)).await }
    });
    sleep(SECOND / 2).await;
    handle.remove(Removal::Tenant(acme())).await.unwrap();
    for n in 0..5000_u32 {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&n.to_be_bytes());
        handle.remove(Removal::Entry(acme(), key.into())).await.unwrap();
    }
    asking.await.unwrap();
    assert_eq!(read(&cache, chat("Why?", false)).await.0, "dashpot; fwd=miss");
}

/// A store that never has done with an answer, and an embedder that never has done with a question.
#[derive(Debug)]
struct Stuck;

impl Store for Stuck {
    async fn get(&self, _: Place) -> Result<Option<Arc<Entry>>, StoreError> {
        Ok(None)
    }

    async fn find(&self, _: &Tenant, _: Key) -> Result<Option<Arc<Entry>>, StoreError> {
        Ok(None)
    }

    async fn put(&self, _: Arc<Entry>, _: Option<Lease>) -> Result<bool, StoreError> {
        std::future::pending().await
    }

    async fn remove(&self, _: Removal) -> Result<(), StoreError> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_kept_is_let_go_after_a_while() {
    let model = Model::default().then(whole(&completion("a"))).then(whole(&completion("b")));
    let layer = CacheLayer::new(Stuck, crate::support::tenant);
    let cache = cache(&layer, &model);
    read(&cache, chat("Why?", false)).await;
    sleep(60 * SECOND).await;
    assert_eq!(read(&cache, chat("Why?", false)).await.0, "dashpot; fwd=miss");
    assert_eq!(layer.handle().stats().store_failures, 1);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_embedded_is_kept_without_after_a_while() {
    let embedder = service_fn(|_: Vec<Arc<str>>| {
        std::future::pending::<Result<Vec<Option<Embedding>>, std::convert::Infallible>>()
    });
    let model = Model::default().then(whole(&completion("a"))).then(whole(&completion("b")));
    let layer = layer().similar(Similar::new(embedder, "stuck", FlatIndex::new(1)));
    let cache = cache(&layer, &model);
    read(&cache, chat("Why?", false)).await;
    sleep(60 * SECOND).await;
    assert_eq!(layer.handle().stats().stored, 1);
    assert!(read(&cache, chat("Why?", false)).await.0.contains("exact"));
}
