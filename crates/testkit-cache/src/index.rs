//! Checks of indexes. What they are asked for is in the store too: one that has the entries may look there.

use std::{sync::Arc, time::Duration};

use dashpot_cache::{Entry, Index, Key, Place, Removal, Store};
use tokio::time::sleep;

use crate::{
    Made, Subject,
    made::{key, unique},
};

async fn keep<St: Store, Ix: Index>(store: &St, index: &Ix, entry: &Arc<Entry>) {
    assert!(store.put(entry.clone(), None).await.unwrap());
    index.insert(entry).await.unwrap();
}

/// The entries that are found, as the cache would see them.
async fn found<St: Store, Ix: Index>(
    store: &St,
    index: &Ix,
    partition: Key,
    vector: &[f32],
) -> Vec<Arc<Entry>> {
    let mut entries = Vec::new();
    for near in index.search(partition, vector, 4).await.unwrap() {
        let entry = match near.entry {
            Some(entry) => Some(entry),
            None => store.get(Place { partition, key: near.key }).await.unwrap(),
        };
        if let Some(entry) = entry {
            assert_eq!(entry.place(), Place { partition, key: near.key });
            entries.push(entry);
        } else {
            // As the cache does.
            index.remove(partition, near.key).await.unwrap();
        }
    }
    entries
}

/// The keys of what is found, once these are or ten seconds are over: an engine may take a moment to take it in.
async fn keys<St: Store, Ix: Index>(
    store: &St,
    index: &Ix,
    partition: Key,
    vector: &[f32],
    expected: &[Key],
) -> Vec<Key> {
    let mut keys = Vec::new();
    for _ in 0..400 {
        keys = found(store, index, partition, vector).await.iter().map(|entry| entry.key).collect();
        if keys == expected {
            break;
        }
        sleep(Duration::from_millis(25)).await;
    }
    keys
}

/// And no more than are wanted.
pub async fn the_nearest_come_first<St: Store, Ix: Index, L, G>(
    Subject { store, index, .. }: &Subject<St, Ix, L, G>,
) {
    let (acme, partition) = (unique("acme"), key());
    assert!(index.search(partition, &[1.0, 0.0, 0.0], 4).await.unwrap().is_empty());
    // So far apart that one who rounds can tell them.
    let angles: Vec<f32> = (0..8_u8).map(|n| f32::from(n) / 5.0).collect();
    let entries: Vec<_> = angles
        .iter()
        .map(|angle| Made::new(&acme, partition).key(key()).meaning(&[angle.cos(), angle.sin(), 0.1]).done())
        .collect();
    for entry in entries.iter().rev() {
        keep(store, index, entry).await;
    }
    for (at, expected) in [(0, [0, 1, 2, 3]), (7, [7, 6, 5, 4])] {
        let vector = entries[at].embedding.clone().unwrap();
        let expected = expected.map(|n| entries[n].key);
        assert_eq!(keys(store, index, partition, vector.vector(), &expected).await, expected);
    }
    let two = index.search(partition, &[1.0, 0.0, 0.1], 2).await.unwrap();
    assert_eq!(two.iter().map(|near| near.key).collect::<Vec<_>>(), [entries[0].key, entries[1].key]);
    assert!(index.search(partition, &[1.0, 0.0, 0.1], 0).await.unwrap().is_empty());
}

/// However near it is.
pub async fn only_what_is_in_the_partition_is_found<St: Store, Ix: Index, L, G>(
    Subject { store, index, .. }: &Subject<St, Ix, L, G>,
) {
    let (acme, other) = (unique("acme"), unique("other"));
    let entries = [&acme, &acme, &other].map(|tenant| Made::new(tenant, key()).meaning(&[1.0, 0.0]).done());
    for entry in &entries {
        keep(store, index, entry).await;
    }
    for entry in &entries {
        assert_eq!(keys(store, index, entry.partition, &[1.0, 0.0], &[entry.key]).await, [entry.key]);
    }
    assert!(found(store, index, key(), &[1.0, 0.0]).await.is_empty());
}

/// One key means one thing.
pub async fn another_embedding_takes_the_place_of_the_one_before<St: Store, Ix: Index, L, G>(
    Subject { store, index, .. }: &Subject<St, Ix, L, G>,
) {
    let (acme, partition) = (unique("acme"), key());
    let turned = Made::new(&acme, partition);
    let still = Made::new(&acme, partition).meaning(&[1.0, 1.0]).done();
    keep(store, index, &still).await;
    let first = turned.clone().meaning(&[1.0, 0.0]).done();
    keep(store, index, &first).await;
    let expected = [first.key, still.key];
    assert_eq!(keys(store, index, partition, &[1.0, 0.1], &expected).await, expected);
    keep(store, index, &turned.meaning(&[0.0, 1.0]).done()).await;
    let expected = [still.key, first.key];
    assert_eq!(keys(store, index, partition, &[1.0, 0.1], &expected).await, expected);
    // Without an embedding there is nothing to be found by.
    keep(store, index, &Made::new(&acme, partition).done()).await;
    assert_eq!(keys(store, index, partition, &[1.0, 0.1], &expected).await, expected);
}

/// Be it by the index alone, or with the entry.
pub async fn what_was_removed_is_not_found<St: Store, Ix: Index, L, G>(
    Subject { store, index, .. }: &Subject<St, Ix, L, G>,
) {
    let (acme, partition) = (unique("acme"), key());
    let [one, two, three] =
        [1.0, 0.9, 0.8].map(|x| Made::new(&acme, partition).tags(&["t"]).meaning(&[x, 1.0]).done());
    for entry in [&one, &two, &three] {
        keep(store, index, entry).await;
    }
    index.remove(partition, one.key).await.unwrap();
    index.remove(partition, one.key).await.unwrap();
    index.remove(partition, key()).await.unwrap();
    index.remove(key(), two.key).await.unwrap();
    let expected = [two.key, three.key];
    assert_eq!(keys(store, index, partition, &[1.0, 1.0], &expected).await, expected);
    store.remove(Removal::Entry(acme.clone(), two.key)).await.unwrap();
    assert_eq!(keys(store, index, partition, &[1.0, 1.0], &[three.key]).await, [three.key]);
    store.remove(Removal::Tagged(acme, "t".into())).await.unwrap();
    assert_eq!(keys(store, index, partition, &[1.0, 1.0], &[]).await, []);
}

/// That is no error: two embedders have two partitions, and who made a mistake there has a miss.
pub async fn vectors_of_another_length_are_near_to_none<St: Store, Ix: Index, L, G>(
    Subject { store, index, .. }: &Subject<St, Ix, L, G>,
) {
    let (acme, partition) = (unique("acme"), key());
    let entry = Made::new(&acme, partition).meaning(&[1.0, 0.0]).done();
    keep(store, index, &entry).await;
    let near = found(store, index, partition, &[1.0, 0.0, 0.0]).await;
    assert!(near.is_empty(), "{} of another length", near.len());
    assert!(index.insert(&Made::new(&acme, partition).meaning(&[1.0, 0.0, 0.0]).done()).await.is_ok());
    assert_eq!(keys(store, index, partition, &[1.0, 0.0], &[entry.key]).await, [entry.key]);
}

/// Those that are there are found behind any number that are not.
pub async fn what_is_not_in_the_store_any_more_is_not_given<St: Store, Ix: Index, L, G>(
    Subject { store, index, .. }: &Subject<St, Ix, L, G>,
) {
    let (acme, partition) = (unique("acme"), key());
    let made = Made::new(&acme, partition).meaning(&[1.0, 0.0]);
    let soon = Duration::from_millis(1500);
    let gone: Vec<_> = (0..3).map(|_| made.clone().key(key()).ends_in(soon).done()).collect();
    let there = made.key(key()).meaning(&[0.0, 1.0]).done();
    for entry in gone.iter().chain([&there]) {
        keep(store, index, entry).await;
    }
    assert!(found(store, index, partition, &[1.0, 0.0]).await.len() > 1);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(keys(store, index, partition, &[1.0, 0.0], &[there.key]).await, [there.key]);
}
