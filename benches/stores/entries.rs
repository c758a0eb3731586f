use std::{error::Error, path::Path, sync::Arc};

use dashpot::{
    cache::{Entry, Key},
    core::{Embedding, Tenant, cosine},
    wire::dialect::Dialect,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use sha2::{Digest, Sha256};

use crate::{
    corpus::DIMENSIONS,
    data::{self, Data},
};

/// Of vectors that are made up.
const CENTERS: usize = 5_000;
const SEED: u64 = 7;

/// What is kept, and what is looked up.
pub(crate) struct Entries {
    pub(crate) kept: Vec<Arc<Entry>>,
    pub(crate) lookups: Vec<Lookup>,
    are_real: bool,
    partitions: usize,
}

/// A question in other words.
pub(crate) struct Lookup {
    pub(crate) partition: Key,
    pub(crate) embedding: Embedding,
    /// The nearest of its partition, by the cosine of all of them.
    pub(crate) nearest: f32,
}

impl Entries {
    pub(crate) fn new(target: &Path, count: usize, partitions: usize) -> Result<Self, Box<dyn Error>> {
        let partition = |n: usize| partition(n % partitions);
        let real = data::files(target, count)?.map(|files| Data::read(&files, count)).transpose()?;
        let are_real = real.is_some();
        let (kept, near, any) = match real {
            Some(Data { kept, near, any, .. }) => (kept, near, any),
            None => made_up(count),
        };
        let kept: Vec<Arc<Entry>> =
            kept.iter().enumerate().map(|(n, vector)| Arc::new(entry(n, partition(n), vector))).collect();
        let near = near.into_iter().map(|embedding| {
            // Where it is asked is where it was asked in other words.
            let nearest = kept.iter().max_by(|a, b| score(a, &embedding).total_cmp(&score(b, &embedding)));
            (nearest.map_or(partition(0), |nearest| nearest.partition), embedding)
        });
        let any = any.into_iter().enumerate().map(|(n, embedding)| (partition(n), embedding));
        let lookup = |(partition, embedding): (Key, Embedding)| {
            let of_it = kept.iter().filter(|entry| entry.partition == partition);
            let nearest = of_it.map(|entry| score(entry, &embedding)).max_by(f32::total_cmp).unwrap_or(-1.0);
            Lookup { partition, embedding, nearest }
        };
        let lookups = near.chain(any).map(lookup).collect();
        Ok(Self { kept, lookups, are_real, partitions })
    }

    pub(crate) fn about(&self) -> String {
        let from = if self.are_real { "texts" } else { "made-up vectors: run `cargo xtask bench stores`" };
        let bytes: usize = self.kept.iter().map(|entry| entry.encode().len()).sum();
        let mean = bytes / self.kept.len().max(1);
        format!(
            "{} entries of {from}, {} partitions, {mean} bytes each as they are written",
            self.kept.len(),
            self.partitions
        )
    }
}

/// How near an entry's question is.
pub(crate) fn score(entry: &Entry, embedding: &Embedding) -> f32 {
    entry.embedding.as_ref().map_or(-1.0, |kept| cosine(kept.vector(), embedding.vector()))
}

fn partition(n: usize) -> Key {
    let hash: [u8; 32] = Sha256::digest(format!("partition {n}")).into();
    hash.into()
}

/// An answer of about 1 KiB, in words that no other has in this order.
fn entry(n: usize, partition: Key, embedding: &Embedding) -> Entry {
    const WORDS: [&str; 16] = [
        "a", "dashpot", "takes", "the", "shock", "out", "of", "motion", "without", "stopping", "it", "and",
        "load", "becomes", "wait", "slowly",
    ];
    let mut random = StdRng::seed_from_u64(n as u64);
    let words: Vec<&str> = (0..160).map(|_| WORDS[random.random_range(0..WORDS.len())]).collect();
    let hash: [u8; 32] = Sha256::digest(n.to_le_bytes()).into();
    let answer = format!(
        r#"{{"id":"chatcmpl-{n}","object":"chat.completion","created":1,"model":"m","choices":[{{"index":0,"message":{{"role":"assistant","content":"{}"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":20,"completion_tokens":200,"total_tokens":220}}}}"#,
        words.join(" ")
    );
    Entry {
        key: hash.into(),
        partition,
        tenant: Tenant::new("a tenant").expect("a name"),
        text: Some(format!("What is the question number {n}?").into()),
        embedding: Some(embedding.clone()),
        dialect: Dialect::OpenAiChat,
        answer: answer.into(),
        events: false,
        has_usage: true,
        stored: tokio::time::Instant::now().into_std(),
        fresh_ms: 86_400_000,
        stale_ms: 0,
        tags: Vec::new(),
    }
}

/// Around centers, and those that are near around one that is kept.
fn made_up(count: usize) -> (Vec<Embedding>, Vec<Embedding>, Vec<Embedding>) {
    let mut random = StdRng::seed_from_u64(SEED);
    let mut noise = move || -> Vec<f32> { (0..DIMENSIONS).map(|_| random.random_range(-1.0..1.0)).collect() };
    let mut around = |center: &[f32], share: f32| {
        let moved: Vec<f32> =
            center.iter().zip(noise()).map(|(center, noise)| center + share * noise).collect();
        Embedding::new(&moved).expect("it points somewhere")
    };
    let nowhere = [0.0; DIMENSIONS];
    let centers: Vec<Embedding> = (0..CENTERS).map(|_| around(&nowhere, 1.0)).collect();
    // A center is of length 1, and noise of 11.
    let kept: Vec<_> = (0..count).map(|n| around(centers[n % CENTERS].vector(), 0.07)).collect();
    let near = (0..600).map(|n| around(kept[n * 31 % count].vector(), 0.03)).collect();
    let any = (0..1000).map(|n| around(centers[n * 17 % CENTERS].vector(), 0.07)).collect();
    (kept, near, any)
}
