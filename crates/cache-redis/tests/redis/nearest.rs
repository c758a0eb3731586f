use std::{sync::Arc, time::Duration};

use dashpot_cache::{Entry, Index, Key, Removal, Store};
use dashpot_cache_redis::RedisStore;
use dashpot_core::{Embedding, cosine};
use dashpot_testkit::servers::Redis;
use futures_util::future::try_join_all;

use crate::support::{Fixture, entry, key, place, shared, tenant};

/// The keys of what is near, each of which came with its entry.
async fn near(store: &RedisStore, partition: Key, vector: &[f32], most: usize) -> Vec<Key> {
    let near = store.search(partition, vector, most).await.unwrap();
    for near in &near {
        let entry: &Arc<Entry> = near.entry.as_ref().unwrap();
        assert_eq!((entry.key, entry.partition), (near.key, partition));
    }
    near.iter().map(|near| near.key).collect()
}

#[tokio::test]
async fn the_nearest_of_a_partition_come_first_with_their_entries() {
    for fixture in Fixture::each().await {
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
        assert_eq!(near(store, key(1), &[], 9).await, []);

        Index::remove(store, key(1), key(1)).await.unwrap();
        assert_eq!(ask(9).await, [key(2), key(3)]);
        assert!(store.get(place(1, 1)).await.unwrap().is_some());
        store.insert(&entry(place(1, 1), Some(&[0.1, 1.0]))).await.unwrap();
        assert_eq!(ask(9).await, [key(2), key(1), key(3)]);
        Store::remove(store, Removal::Entry(tenant("acme"), key(2))).await.unwrap();
        assert_eq!(ask(9).await, [key(1), key(3)]);
        // Of another length, and of none.
        store.put(shared(entry(place(1, 1), Some(&[1.0, 0.0, 0.0]))), None).await.unwrap();
        assert_eq!(ask(9).await, [key(3)]);
        assert_eq!(near(store, key(1), &[1.0, 0.0, 0.0], 9).await, [key(1)]);
        store.put(shared(entry(place(1, 1), None)), None).await.unwrap();
        assert_eq!(near(store, key(1), &[1.0, 0.0, 0.0], 9).await, []);
        // What is not there is not indexed either.
        store.insert(&entry(place(1, 9), Some(&[1.0, 0.0]))).await.unwrap();
        assert_eq!(ask(9).await, [key(3)]);
    }
}

#[tokio::test]
async fn what_vanished_is_taken_out_and_others_are_found_in_its_stead() {
    let fixture = Fixture::start().await;
    let store = &fixture.store;
    for number in 0..20 {
        let vector = [1.0, number as f32 / 100.0];
        store.put(shared(entry(place(1, number), Some(&vector))), None).await.unwrap();
    }
    // As they do at the end of their time, or if Redis needs the room.
    for number in 0..10 {
        fixture.redis::<()>(&["DEL", &format!("~{{{}}}:e{}", key(1), key(number))]).await;
    }
    assert_eq!(near(store, key(1), &[1.0, 0.0], 4).await, [key(10), key(11), key(12), key(13)]);
    assert_eq!(fixture.redis::<u64>(&["VCARD", &format!("~{{{}}}:v2", key(1))]).await, 10);
}

#[tokio::test]
async fn what_is_written_already_is_not_written_again() {
    let server = Redis::start(&[]);
    let fixture = Fixture::at(&server.url(), |config| config).await;
    let kept = entry(place(1, 1), Some(&[1.0, 0.0]));
    fixture.store.put(shared(kept.clone()), None).await.unwrap();
    let calls = async || -> u64 {
        let said: String = fixture.redis(&["INFO", "commandstats"]).await;
        let line = said.lines().find(|line| line.starts_with("cmdstat_VADD:")).unwrap().to_owned();
        line.split(['=', ',']).nth(1).unwrap().parse().unwrap()
    };
    for _ in 0..10 {
        fixture.store.insert(&kept).await.unwrap();
    }
    assert_eq!(calls().await, 1);
    fixture.store.insert(&entry(place(1, 1), Some(&[0.0, 1.0]))).await.unwrap();
    assert_eq!(calls().await, 2);
}

/// A partition of thousands, in clusters.
#[tokio::test]
async fn in_a_large_partition_the_nearest_is_found() {
    for fixture in Fixture::each().await {
        let (store, mut random) = (&fixture.store, fastrand::Rng::with_seed(1));
        let mut noise = move || -> Vec<f32> { (0..64).map(|_| random.f32() - 0.5).collect() };
        let centers: Vec<_> = (0..40).map(|_| noise()).collect();
        let mut around = |center: usize| -> Vec<f32> {
            centers[center % 40].iter().zip(noise()).map(|(center, noise)| center + noise / 2.0).collect()
        };
        let entries: Vec<_> = (0..4_000)
            .map(|number: usize| {
                shared(entry(place(number as u64 % 2, number as u64), Some(&around(number / 2))))
            })
            .collect();
        for entries in entries.chunks(500) {
            try_join_all(entries.iter().map(|entry| store.put(entry.clone(), None))).await.unwrap();
        }
        let mut right = 0;
        for asked in 0..200 {
            let (partition, vector) = (key(asked % 2), Embedding::new(&around(asked as usize)).unwrap());
            let of_it = entries.iter().filter(|entry| entry.partition == partition);
            let score = |entry: &Entry| cosine(entry.embedding.as_ref().unwrap().vector(), vector.vector());
            let nearest = of_it.max_by(|a, b| score(a).total_cmp(&score(b))).unwrap();
            // The cache scores what it is given again: that the nearest is among it is what counts.
            right += usize::from(near(store, partition, vector.vector(), 4).await.contains(&nearest.key));
        }
        assert!(right >= 198, "{right} of 200 with {:?}", store.semantic());
    }
}

#[tokio::test]
async fn an_entry_that_ended_leaves_its_vector_set_with_whatever_is_put_or_removed_next() {
    let fixture = Fixture::start().await;
    let store = &fixture.store;
    let set = format!("~{{{}}}:v2", key(1));
    store.put(shared(entry(place(1, 9), Some(&[0.0, 1.0]))), None).await.unwrap();
    for is_put in [true, false] {
        for number in 0..3 {
            let short = Entry { fresh_ms: 40, ..entry(place(1, number), Some(&[1.0, 0.0])) };
            store.put(shared(short), None).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(80)).await;
        if is_put {
            store.put(shared(entry(place(1, 10), None)), None).await.unwrap();
        } else {
            Store::remove(store, Removal::Tagged(tenant("acme"), "none".into())).await.unwrap();
            assert_eq!(fixture.redis::<i64>(&["VCARD", &set]).await, 4, "it has nothing to do with them");
            Store::remove(store, Removal::Tenant(tenant("acme"))).await.unwrap();
        }
        assert_eq!(fixture.redis::<i64>(&["VCARD", &set]).await, i64::from(is_put));
    }
}
