use std::{path::Path, process::Command};

use dashpot::core::Embedding;
use hnsw_rs::prelude::{DistDot, Hnsw};
use usearch::{Index, IndexOptions, MetricKind, ScalarKind};

use crate::{
    contestants::Contestant,
    corpus::DIMENSIONS,
    data::{Files, MOST},
};

/// Of all graphs: links to so many neighbours, of so many candidates.
const NEIGHBOURS: usize = 16;
const CANDIDATES: usize = 128;

/// How many candidates a search keeps.
const EFFORTS: &[usize] = &[4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512];

pub(crate) struct Usearch(Index);

pub(crate) fn usearch(quantization: ScalarKind, room: usize) -> Usearch {
    let options = IndexOptions {
        dimensions: DIMENSIONS,
        metric: MetricKind::IP,
        quantization,
        connectivity: NEIGHBOURS,
        expansion_add: CANDIDATES,
        ..IndexOptions::default()
    };
    let index = Index::new(&options).expect("the options are well-formed");
    index.reserve_capacity_and_threads(room, 2).expect("there is memory");
    Usearch(index)
}

impl Contestant for Usearch {
    fn efforts(&self) -> &'static [usize] {
        EFFORTS
    }

    fn insert(&self, n: usize, embedding: &Embedding) {
        self.0.add(n as u64, embedding.vector()).expect("there is room");
    }

    fn search(&self, embedding: &Embedding, effort: usize) -> Vec<usize> {
        if self.0.expansion_search() != effort {
            self.0.change_expansion_search(effort);
        }
        let found = self.0.search(embedding.vector(), MOST).expect("it is as long");
        found.keys.into_iter().map(|n| n as usize).collect()
    }

    fn remove(&self, n: usize) -> bool {
        self.0.remove(n as u64).is_ok()
    }
}

pub(crate) struct HnswRs(Hnsw<'static, f32, DistDot>);

impl HnswRs {
    pub(crate) fn new(room: usize) -> Self {
        Self(Hnsw::new(NEIGHBOURS, room, 16, CANDIDATES, DistDot {}))
    }
}

impl Contestant for HnswRs {
    fn efforts(&self) -> &'static [usize] {
        EFFORTS
    }

    fn insert(&self, n: usize, embedding: &Embedding) {
        self.0.insert((embedding.vector(), n));
    }

    fn search(&self, embedding: &Embedding, effort: usize) -> Vec<usize> {
        self.0.search(embedding.vector(), MOST, effort).into_iter().map(|found| found.d_id).collect()
    }

    fn remove(&self, _: usize) -> bool {
        false
    }
}

/// In Python, from the environment that `cargo xtask bench index` makes.
#[allow(clippy::print_stdout, reason = "the report of a bench")]
pub(crate) fn faiss(target: &Path, count: usize, files: &Files) {
    let python = target.join("venv-index/bin/python");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/index/peer.py");
    let ran = Command::new(&python).arg(script).arg(count.to_string()).args(files).status();
    if !ran.is_ok_and(|status| status.success()) {
        println!("faiss: not measured: run `cargo xtask bench index`");
    }
}
