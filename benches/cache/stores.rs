use std::{hint::black_box, sync::Arc, time::Instant};

use dashpot::cache::Key;
use foyer_memory::{Cache as Foyer, CacheBuilder, CacheProperties, LfuConfig, LruConfig, S3FifoConfig};
use moka::sync::Cache as Moka;

/// So many questions there are; few are asked often, and most seldom (Zipf, 0.9).
const QUESTIONS: usize = 100_000;
const ASKED: usize = 1_000_000;

/// What an answer weighs, in bytes.
type Weight = Arc<u32>;

/// What one of these stores has to do for a cache.
trait Answers {
    fn get(&self, key: &Key) -> Option<Weight>;
    fn put(&self, key: Key, weight: Weight);
}

impl Answers for Moka<Key, Weight> {
    fn get(&self, key: &Key) -> Option<Weight> {
        self.get(key)
    }

    fn put(&self, key: Key, weight: Weight) {
        self.insert(key, weight);
    }
}

impl Answers for Foyer<Key, Weight> {
    fn get(&self, key: &Key) -> Option<Weight> {
        self.get(key).map(|entry| entry.value().clone())
    }

    fn put(&self, key: Key, weight: Weight) {
        drop(self.insert(key, weight));
    }
}

/// Prints how foyer and moka do what `MemoryStore` needs, on one thread, with a tenth of the room that all answers take.
#[allow(clippy::print_stdout, reason = "the report of a bench")]
pub(crate) fn report() {
    let keys: Vec<(Key, Weight)> = (0..QUESTIONS).map(|n| (key(n), Arc::new(weight(n)))).collect();
    let room = keys.iter().map(|(_, weight)| **weight as usize).sum::<usize>() / 10;
    let asked = asked();
    println!("a store with room for a tenth of all answers   hit, ns   insert, ns   hits, %");
    let moka = Moka::builder().max_capacity(room as u64).weigher(|_, weight: &Weight| **weight);
    row("moka (TinyLFU)", &moka.build(), &keys, &asked);
    let foyer = || CacheBuilder::new(room).with_weighter(|_, weight: &Weight| **weight as usize);
    let lfu = foyer().with_eviction_config(LfuConfig::default()).build::<CacheProperties>();
    row("foyer (TinyLFU)", &lfu, &keys, &asked);
    let fifo = foyer().with_eviction_config(S3FifoConfig::default()).build::<CacheProperties>();
    row("foyer (S3-FIFO)", &fifo, &keys, &asked);
    let lru = foyer().with_eviction_config(LruConfig::default()).build::<CacheProperties>();
    row("foyer (LRU)", &lru, &keys, &asked);
}

#[allow(clippy::print_stdout, reason = "the report of a bench")]
fn row(name: &str, store: &impl Answers, keys: &[(Key, Weight)], asked: &[usize]) {
    let mut hits = 0;
    for (key, weight) in asked.iter().map(|&n| &keys[n]) {
        if store.get(key).is_some() {
            hits += 1;
        } else {
            store.put(*key, weight.clone());
        }
    }
    // Those that are there now.
    let there: Vec<&Key> =
        keys.iter().map(|(key, _)| key).filter(|key| store.get(key).is_some()).take(1000).collect();
    let found = mean((0..1000).flat_map(|_| &there), |key| drop(black_box(store.get(key))));
    let new: Vec<_> = (0..QUESTIONS).map(|n| (key(QUESTIONS + n), Arc::new(weight(n)))).collect();
    let inserted = mean(new.into_iter(), |(key, weight)| store.put(key, weight));
    let rate = 100.0 * f64::from(hits) / asked.len() as f64;
    println!("{name:46} {found:8.0} {inserted:12.0} {rate:9.1}");
}

/// Nanoseconds for each.
fn mean<T>(all: impl Iterator<Item = T>, mut run: impl FnMut(T)) -> f64 {
    let (before, mut count) = (now(), 0_u32);
    for one in all {
        run(one);
        count += 1;
    }
    now().saturating_duration_since(before).as_secs_f64() * 1e9 / f64::from(count)
}

/// Which question is asked next, and so on.
fn asked() -> Vec<usize> {
    let mut sum = 0.0;
    let mut sums = Vec::with_capacity(QUESTIONS);
    for rank in 1..=QUESTIONS {
        sum += (rank as f64).powf(-0.9);
        sums.push(sum);
    }
    let mut state = 1_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    let ask = |_| {
        let at = random() * sum;
        sums.partition_point(|&below| below < at).min(QUESTIONS - 1)
    };
    (0..ASKED).map(ask).collect()
}

fn key(n: usize) -> Key {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&(n as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
    key.into()
}

/// From 0.5 to 8 KiB, whichever the question.
fn weight(n: usize) -> u32 {
    512 + (n as u32).wrapping_mul(2_654_435_761) % 7680
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
