use std::sync::Arc;

use bytes::Bytes;
use dashpot::{
    cache::{Entry, FlatIndex, Index, Key},
    core::{Embedding, Tenant},
    wire::dialect::Dialect,
};
use futures_util::FutureExt;

use crate::data::MOST;

/// What is measured.
pub(crate) trait Contestant: Sync {
    /// How thorough it can be, from the least.
    fn efforts(&self) -> &'static [usize] {
        &[0]
    }

    fn insert(&self, n: usize, embedding: &Embedding);

    /// The four nearest.
    fn search(&self, embedding: &Embedding, effort: usize) -> Vec<usize>;

    /// Whether it was removed.
    fn remove(&self, n: usize) -> bool;
}

/// All in one partition.
pub(crate) struct Ours(FlatIndex);

impl Ours {
    pub(crate) const NAME: &'static str = "FlatIndex";

    pub(crate) fn new(room: usize) -> Self {
        Self(FlatIndex::new(room))
    }
}

impl Contestant for Ours {
    fn insert(&self, n: usize, embedding: &Embedding) {
        let inserted = self.0.insert(&entry(n, embedding)).now_or_never();
        inserted.expect("it waits for nothing").expect("it is in memory");
    }

    fn search(&self, embedding: &Embedding, _: usize) -> Vec<usize> {
        let found = self.0.search(partition(), embedding.vector(), MOST).now_or_never();
        let found = found.expect("it waits for nothing").expect("it is in memory");
        found.iter().map(|near| number(&near.key)).collect()
    }

    fn remove(&self, n: usize) -> bool {
        self.0.remove(partition(), key(n)).now_or_never().is_some_and(|removed| removed.is_ok())
    }
}

fn partition() -> Key {
    [0; 32].into()
}

fn key(n: usize) -> Key {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&n.to_be_bytes());
    key.into()
}

fn number(key: &Key) -> usize {
    let hex = key.to_string();
    usize::from_str_radix(&hex[..16], 16).expect("it is hexadecimal")
}

fn entry(n: usize, embedding: &Embedding) -> Entry {
    Entry {
        key: key(n),
        partition: partition(),
        tenant: Tenant::new("acme").expect("it is short"),
        text: Some(Arc::from("text")),
        embedding: Some(embedding.clone()),
        dialect: Dialect::OpenAiChat,
        answer: Bytes::new(),
        events: false,
        has_usage: true,
        stored: tokio::time::Instant::now().into_std(),
        fresh_ms: 1000,
        stale_ms: 0,
        tags: Vec::new(),
    }
}
