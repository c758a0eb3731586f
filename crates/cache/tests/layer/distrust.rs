//! What a store or an index brings is looked at again, and what is too long is not looked at.

use std::sync::{Arc, Mutex};

use dashpot_cache::{
    CacheLayer, Entry, Index, Key, Lease, MemoryStore, Near, Place, Removal, Similar, Store, StoreError,
};
use dashpot_core::{Embedding, Tenant};
use http_body::Body;
use tower::service_fn;

use crate::support::{Model, cache, chat, completion, layer, read, tenant, whole, with};

/// A store that has one answer to everything: the last.
#[derive(Debug, Default)]
struct Mixed(Mutex<Option<Arc<Entry>>>);

impl Store for Mixed {
    async fn get(&self, _: Place) -> Result<Option<Arc<Entry>>, StoreError> {
        Ok(self.0.lock().unwrap().clone())
    }

    async fn find(&self, _: &Tenant, _: Key) -> Result<Option<Arc<Entry>>, StoreError> {
        Ok(self.0.lock().unwrap().clone())
    }

    async fn put(&self, entry: Arc<Entry>, _: Option<Lease>) -> Result<bool, StoreError> {
        *self.0.lock().unwrap() = Some(entry);
        Ok(true)
    }

    async fn remove(&self, _: Removal) -> Result<(), StoreError> {
        Ok(())
    }
}

/// An index to which all questions are near.
#[derive(Clone, Debug, Default)]
struct Everything(Arc<Mutex<Vec<Place>>>);

impl Index for Everything {
    async fn insert(&self, entry: &Entry) -> Result<(), StoreError> {
        self.0.lock().unwrap().push(entry.place());
        Ok(())
    }

    async fn search(&self, _: Key, _: &[f32], _: usize) -> Result<Vec<Near>, StoreError> {
        Ok(self.0.lock().unwrap().iter().map(|place| Near::from(place.key)).collect())
    }

    async fn remove(&self, partition: Key, key: Key) -> Result<(), StoreError> {
        self.0.lock().unwrap().retain(|known| *known != Place { partition, key });
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_mixes_entries_up_gives_nobody_the_answer_of_another() {
    let model = (0..3).fold(Model::default(), |model, n| model.then(whole(&completion(&n.to_string()))));
    let layer = CacheLayer::new(Mixed::default(), tenant);
    let cache = cache(&layer, &model);
    read(&cache, chat("Why?", false)).await;
    assert!(read(&cache, chat("Why?", false)).await.0.contains("hit"));
    assert_eq!(read(&cache, chat("Why not?", false)).await.0, "dashpot; fwd=miss");
    assert_eq!(read(&cache, with(chat("Why not?", false), "x-tenant", "other")).await.0, "dashpot; fwd=miss");
}

#[tokio::test(start_paused = true)]
async fn an_index_that_mixes_partitions_up_gives_nobody_the_answer_of_another() {
    let embedder = service_fn(async |texts: Vec<Arc<str>>| {
        Ok::<_, std::convert::Infallible>(vec![Embedding::new(&[1.0]); texts.len()])
    });
    let model = (0..3).fold(Model::default(), |model, n| model.then(whole(&completion(&n.to_string()))));
    let index = Everything::default();
    let layer = layer().similar(Similar::new(embedder, "one", index.clone()));
    let cache = cache(&layer, &model);
    read(&cache, chat("Why is the sky blue?", false)).await;
    let other = || chat("Hi, why is the sky blue?", false);
    assert!(read(&cache, other()).await.0.contains("semantic"));
    assert_eq!(read(&cache, with(other(), "x-tenant", "other")).await.0, "dashpot; fwd=miss");
    assert_eq!(read(&cache, with(other(), "openai-project", "p")).await.0, "dashpot; fwd=miss");
    // What is not in the store any more is forgotten when it is next proposed.
    assert_eq!(index.0.lock().unwrap().len(), 3);
    layer.handle().remove(Removal::Tenant(Tenant::new("acme").unwrap())).await.unwrap();
    let only = || with(other(), "cache-control", "only-if-cached");
    assert_eq!(read(&cache, with(only(), "x-tenant", "third")).await.0, "dashpot; detail=only-if-cached");
    assert_eq!(index.0.lock().unwrap().len(), 3, "in its own partition");
    assert_eq!(read(&cache, only()).await.0, "dashpot; detail=only-if-cached");
    assert_eq!(index.0.lock().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_too_long_passes_by_whole() {
    let length = usize::try_from(chat("Why?", false).into_body().size_hint().exact().unwrap()).unwrap();
    for (most, expected) in [(length, "dashpot; fwd=miss"), (length - 1, "dashpot; fwd=bypass")] {
        let model = Model::default().then(whole(&completion("a"))).then(whole(&completion("b")));
        let layer = CacheLayer::new(MemoryStore::new(1 << 20), tenant).max_request_bytes(most);
        let cache = cache(&layer, &model);
        assert_eq!(read(&cache, chat("Why?", false)).await.0, expected);
        assert_eq!(read(&cache, chat("Why?", false)).await.0.contains("hit"), expected.contains("miss"));
        assert!(model.asked().iter().all(|asked| asked.len() == length));
    }
}

#[tokio::test(start_paused = true)]
async fn an_embedder_that_panics_takes_no_answer_along() {
    let embedder = service_fn(async |texts: Vec<Arc<str>>| {
        assert!(texts.is_empty(), "the embedder panics");
        Ok::<_, std::convert::Infallible>(Vec::new())
    });
    let model = Model::default().then(whole(&completion("0")));
    let cache = cache(&layer().similar(Similar::new(embedder, "one", Everything::default())), &model);
    assert_eq!(read(&cache, chat("Why?", false)).await.0, "dashpot; fwd=miss");
    assert!(read(&cache, chat("Why?", false)).await.0.ends_with("exact"));
}

#[tokio::test(start_paused = true)]
async fn of_an_index_that_proposes_too_much_only_so_many_are_looked_at() {
    let embedder = service_fn(async |texts: Vec<Arc<str>>| {
        Ok::<_, std::convert::Infallible>(vec![Embedding::new(&[1.0]); texts.len()])
    });
    let model = (0..10).fold(Model::default(), |model, n| model.then(whole(&completion(&n.to_string()))));
    let layer = layer().similar(Similar::new(embedder, "one", Everything::default()));
    let cache = cache(&layer, &model);
    for n in 0..10 {
        let before = layer.handle().stats().refused;
        read(&cache, chat(&format!("Why are there {n}?"), false)).await;
        assert_eq!(layer.handle().stats().refused - before, n.min(4));
    }
}

/// A store that makes something else of what it has.
struct Odd {
    kept: MemoryStore,
    change: fn(Entry) -> Result<Entry, StoreError>,
}

impl Store for Odd {
    async fn get(&self, place: Place) -> Result<Option<Arc<Entry>>, StoreError> {
        let entry = self.kept.get(place).await?;
        entry.map(|entry| (self.change)(Entry::clone(&entry)).map(Arc::new)).transpose()
    }

    async fn find(&self, tenant: &Tenant, key: Key) -> Result<Option<Arc<Entry>>, StoreError> {
        self.kept.find(tenant, key).await
    }

    async fn put(&self, entry: Arc<Entry>, lease: Option<Lease>) -> Result<bool, StoreError> {
        self.kept.put(entry, lease).await
    }

    async fn remove(&self, what: Removal) -> Result<(), StoreError> {
        self.kept.remove(what).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_similar_entry_is_looked_at_again_whatever_the_store_makes_of_it() {
    type Change = fn(Entry) -> Result<Entry, StoreError>;
    let changes: [(Change, bool, u64); 4] = [
        (Ok, true, 0),
        (|entry| Ok(Entry { tenant: Tenant::new("other").unwrap(), ..entry }), false, 0),
        (|entry| Ok(Entry { partition: entry.key, ..entry }), false, 0),
        (|_| Err(StoreError::new("it is broken")), false, 1),
    ];
    for (change, is_hit, failures) in changes {
        let embedder = service_fn(async |texts: Vec<Arc<str>>| {
            Ok::<_, std::convert::Infallible>(vec![Embedding::new(&[1.0]); texts.len()])
        });
        let model = (0..2).fold(Model::default(), |model, n| model.then(whole(&completion(&n.to_string()))));
        let store = Odd { kept: MemoryStore::new(1 << 20), change };
        let similar = Similar::new(embedder, "one", Everything::default());
        let layer = CacheLayer::new(store, tenant).similar(similar);
        let cache = cache(&layer, &model);
        read(&cache, chat("Why is the sky blue?", false)).await;
        let (status, _) = read(&cache, chat("Hi, why is the sky blue?", false)).await;
        assert_eq!(status.contains("semantic"), is_hit, "{status}");
        assert_eq!(layer.handle().stats().store_failures, failures);
    }
}

/// An index that is broken.
struct Broken;

impl Index for Broken {
    async fn insert(&self, _: &Entry) -> Result<(), StoreError> {
        Err(StoreError::new("it is broken"))
    }

    async fn search(&self, _: Key, _: &[f32], _: usize) -> Result<Vec<Near>, StoreError> {
        Err(StoreError::new("it is broken"))
    }

    async fn remove(&self, _: Key, _: Key) -> Result<(), StoreError> {
        Err(StoreError::new("it is broken"))
    }
}

#[tokio::test(start_paused = true)]
async fn an_index_that_fails_is_counted_and_takes_no_answer_along() {
    let embedder = service_fn(async |texts: Vec<Arc<str>>| {
        Ok::<_, std::convert::Infallible>(vec![Embedding::new(&[1.0]); texts.len()])
    });
    let model = Model::default().then(whole(&completion("0")));
    let layer = layer().similar(Similar::new(embedder, "one", Broken));
    let cache = cache(&layer, &model);
    assert_eq!(read(&cache, chat("Why?", false)).await.0, "dashpot; fwd=miss");
    assert!(read(&cache, chat("Why?", false)).await.0.ends_with("exact"));
    assert_eq!(layer.handle().stats().similar_failures, 2, "once it was asked and once told");
}

/// An index that proposes what is not there, and is never done with forgetting it.
struct Forgetful;

impl Index for Forgetful {
    async fn insert(&self, _: &Entry) -> Result<(), StoreError> {
        Ok(())
    }

    async fn search(&self, _: Key, _: &[f32], _: usize) -> Result<Vec<Near>, StoreError> {
        Ok((0..4).map(|number| Near::from(Key::from([number; 32]))).collect())
    }

    async fn remove(&self, _: Key, _: Key) -> Result<(), StoreError> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_index_takes_to_forget_is_within_the_time_for_what_is_similar() {
    let embedder = service_fn(async |texts: Vec<Arc<str>>| {
        Ok::<_, std::convert::Infallible>(vec![Embedding::new(&[1.0]); texts.len()])
    });
    let model = Model::default().then(whole(&completion("0")));
    let layer = layer().similar(Similar::new(embedder, "one", Forgetful));
    let start = tokio::time::Instant::now();
    assert_eq!(read(&cache(&layer, &model), chat("Why?", false)).await.0, "dashpot; fwd=miss");
    let took = tokio::time::Instant::now() - start;
    assert!(took < std::time::Duration::from_millis(300), "{took:?}");
}
