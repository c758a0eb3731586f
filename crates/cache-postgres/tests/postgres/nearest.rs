use std::sync::Arc;

use dashpot_cache::{Entry, Index, Key, Removal, Store};
use dashpot_cache_postgres::PostgresStore;
use dashpot_core::{Embedding, cosine};

use crate::support::{Fixture, entry, key, place, shared, tenant};

/// The keys of what is near, each of which came with its entry.
async fn near(store: &PostgresStore, partition: Key, vector: &[f32], most: usize) -> Vec<Key> {
    let near = store.search(partition, vector, most).await.unwrap();
    for near in &near {
        let entry: &Arc<Entry> = near.entry.as_ref().unwrap();
        assert_eq!((entry.key, entry.partition), (near.key, partition));
    }
    near.iter().map(|near| near.key).collect()
}

#[tokio::test]
async fn the_nearest_of_a_partition_come_first_with_their_entries() {
    let fixture = Fixture::start().await;
    let store = &fixture.store;
    for (partition, number, vector) in
        [(1, 1, [1.0, 0.0]), (1, 2, [0.8, 0.6]), (1, 3, [0.0, 1.0]), (2, 4, [1.0, 0.0])]
    {
        let entry = entry(place(partition, number), Some(&vector));
        store.put(shared(entry.clone()), None).await.unwrap();
        store.insert(&entry).await.unwrap();
    }
    let ask = |most| near(store, key(1), &[1.0, 0.1], most);
    assert_eq!(ask(2).await, [key(1), key(2)]);
    assert_eq!(ask(9).await, [key(1), key(2), key(3)]);
    assert_eq!(ask(0).await, []);
    assert_eq!(near(store, key(3), &[1.0, 0.0], 9).await, []);
    assert_eq!(near(store, key(1), &[1.0, 0.0, 0.0], 9).await, [], "of a length of its own");

    Index::remove(store, key(1), key(1)).await.unwrap();
    assert_eq!(ask(9).await, [key(2), key(3)]);
    assert!(store.get(place(1, 1)).await.unwrap().is_some());
    store.insert(&entry(place(1, 1), Some(&[0.1, 1.0]))).await.unwrap();
    assert_eq!(ask(9).await, [key(2), key(1), key(3)]);
    Store::remove(store, Removal::Entry(tenant("acme"), key(2))).await.unwrap();
    assert_eq!(ask(9).await, [key(1), key(3)]);
    fixture.execute("UPDATE {}.entry SET expires = now() WHERE key = (SELECT min(key) FROM {}.entry)").await;
    assert_eq!(ask(9).await, [key(3)]);
}

#[tokio::test]
async fn vectors_that_there_is_no_index_for_are_searched_through() {
    let fixture = Fixture::start().await;
    let long: Vec<f32> = (0..5_000).map(|i| if i % 7 == 0 { 1.0 } else { 0.1 }).collect();
    fixture.store.put(shared(entry(place(1, 1), Some(&long))), None).await.unwrap();
    assert_eq!(near(&fixture.store, key(1), &long, 4).await, [key(1)]);
    let of_table =
        "SELECT count(*) FROM pg_indexes WHERE schemaname = '{}' AND indexname LIKE 'entry_near_%'";
    assert_eq!(fixture.number(of_table).await, 0);
}

/// 50 partitions of 80 entries each, in 40 clusters that all partitions have a part of: what is near is mostly another's.
#[tokio::test]
async fn in_a_large_partition_the_index_finds_what_is_nearest_of_it() {
    let fixture = Fixture::with(|config| config.exact_up_to(0)).await;
    let (store, mut random) = (&fixture.store, fastrand::Rng::with_seed(1));
    let mut noise = move || -> Vec<f32> { (0..64).map(|_| random.f32() - 0.5).collect() };
    let centers: Vec<_> = (0..40).map(|_| noise()).collect();
    let mut around = |center: usize| -> Vec<f32> {
        centers[center % 40].iter().zip(noise()).map(|(center, noise)| center + noise / 2.0).collect()
    };
    let entries: Vec<_> = (0..4_000)
        .map(|number: usize| {
            shared(entry(place(number as u64 % 50, number as u64), Some(&around(number / 50))))
        })
        .collect();
    for entries in entries.chunks(100) {
        let puts = entries.iter().map(|entry| store.put(entry.clone(), None));
        futures_util::future::try_join_all(puts).await.unwrap();
    }
    fixture.execute("ANALYZE {}.entry").await;
    let mut right = 0;
    for asked in 0..200 {
        let (partition, vector) = (key(asked % 50), Embedding::new(&around(asked as usize)).unwrap());
        let of_it = entries.iter().filter(|entry| entry.partition == partition);
        let score = |entry: &Entry| cosine(entry.embedding.as_ref().unwrap().vector(), vector.vector());
        let nearest = of_it.max_by(|a, b| score(a).total_cmp(&score(b))).unwrap();
        right += usize::from(near(store, partition, vector.vector(), 1).await == [nearest.key]);
    }
    assert!(right >= 198, "{right} of 200");
    let scans = format!(
        "SELECT idx_scan FROM pg_stat_user_indexes WHERE schemaname = '{}' AND indexrelname = 'entry_near_64'",
        fixture.schema
    );
    crate::support::until("the index was used", || async { fixture.number(&scans).await > 0 }).await;
}
