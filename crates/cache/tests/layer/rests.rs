//! What fails for everybody, again and again, costs nobody anything.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use dashpot_cache::{
    CacheLayer, Entry, FlatIndex, Key, Lease, MemoryStore, Place, Removal, Similar, Store, StoreError,
};
use dashpot_core::{Embedding, Tenant};
use tokio::time::Instant;
use tower::service_fn;

use crate::support::{Model, SECOND, cache, chat, completion, layer, read, settle, since, tenant, whole};

fn model(answers: usize) -> Model {
    (0..answers).fold(Model::default(), |model, _| model.then(whole(&completion("a"))))
}

/// A store that hangs while it is told to.
#[derive(Debug)]
struct Hanging {
    store: MemoryStore,
    hangs: Arc<AtomicBool>,
    waiting: Arc<AtomicUsize>,
}

impl Hanging {
    fn new(hangs: &Arc<AtomicBool>, waiting: &Arc<AtomicUsize>) -> Self {
        Self { store: MemoryStore::new(1 << 20), hangs: hangs.clone(), waiting: waiting.clone() }
    }

    async fn hang(&self) {
        if self.hangs.load(Relaxed) {
            self.waiting.fetch_add(1, Relaxed);
            pending::<()>().await;
        }
    }
}

impl Store for Hanging {
    async fn get(&self, place: Place) -> Result<Option<Arc<Entry>>, StoreError> {
        self.hang().await;
        self.store.get(place).await
    }

    async fn find(&self, tenant: &Tenant, key: Key) -> Result<Option<Arc<Entry>>, StoreError> {
        self.store.find(tenant, key).await
    }

    async fn put(&self, entry: Arc<Entry>, lease: Option<Lease>) -> Result<bool, StoreError> {
        self.hang().await;
        self.store.put(entry, lease).await
    }

    async fn remove(&self, what: Removal) -> Result<(), StoreError> {
        self.store.remove(what).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_costs_five_their_time_and_comes_back_by_itself() {
    let (hangs, waiting) = (Arc::new(AtomicBool::new(true)), Arc::default());
    let layer = CacheLayer::new(Hanging::new(&hangs, &waiting), tenant).budget(Duration::from_millis(30));
    let model = model(30);
    let cache = cache(&layer, &model);
    let start = Instant::now();
    let mut took = Vec::new();
    for n in 0..20 {
        let start = Instant::now();
        read(&cache, chat(&n.to_string(), false)).await;
        took.push(since(start) > Duration::from_millis(20));
    }
    assert_eq!(took, [[true; 5].as_slice(), &[false; 15]].concat());
    assert!(since(start) < SECOND);
    assert_eq!(layer.handle().stats().unasked, 15);
    hangs.store(false, Relaxed);
    tokio::time::sleep(20 * SECOND).await;
    read(&cache, chat("once more", false)).await;
    settle().await;
    assert!(read(&cache, chat("once more", false)).await.0.starts_with("dashpot; hit"));
}

#[tokio::test(start_paused = true)]
async fn answers_that_wait_for_a_store_are_bounded() {
    let (hangs, waiting) = (Arc::default(), Arc::new(AtomicUsize::new(0)));
    let layer = CacheLayer::new(Hanging::new(&hangs, &waiting), tenant);
    let model = model(3000);
    let cache = cache(&layer, &model);
    hangs.store(true, Relaxed);
    for n in 0..3000 {
        read(&cache, chat(&n.to_string(), false)).await;
    }
    settle().await;
    assert!(waiting.load(Relaxed) <= 1024 + 5, "{waiting:?}");
    assert_eq!(layer.handle().stats().stored, 0);
}

/// An embedder that hangs while it is told to.
#[tokio::test(start_paused = true)]
async fn an_embedder_that_hangs_costs_five_their_time_and_comes_back_by_itself() {
    let hangs = Arc::new(AtomicBool::new(true));
    let embedder = service_fn({
        let hangs = hangs.clone();
        move |texts: Vec<Arc<str>>| {
            let hangs = hangs.load(Relaxed);
            async move {
                if hangs {
                    pending::<()>().await;
                }
                Ok::<_, &str>(texts.iter().map(|_| Embedding::new(&[1.0, 0.0])).collect::<Vec<_>>())
            }
        }
    });
    let layer = layer().similar(Similar::new(embedder, "one", FlatIndex::new(100)));
    let model = model(30);
    let cache = cache(&layer, &model);
    let mut took = Vec::new();
    for n in 0..20 {
        let start = Instant::now();
        read(&cache, chat(&format!("Why is it {n}?"), false)).await;
        took.push(since(start) > Duration::from_millis(100));
    }
    assert_eq!(took, [[true; 5].as_slice(), &[false; 15]].concat());
    read(&cache, chat("Why is it 0?", false)).await;
    assert_eq!(model.calls(), 20, "what is the same is known without it");
    hangs.store(false, Relaxed);
    tokio::time::sleep(40 * SECOND).await;
    read(&cache, chat("Why is the sky blue?", false)).await;
    settle().await;
    let (status, _) = read(&cache, chat("Hi, why is the sky blue?", false)).await;
    assert!(status.contains("semantic"), "{status}");
}
