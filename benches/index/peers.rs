use std::{path::Path, process::Command};

use dashpot::core::Embedding;
use hnsw_rs::prelude::{DistDot, Hnsw};

use crate::{
    contestants::Contestant,
    data::{Files, MOST},
};

/// Of all graphs: links to so many neighbours, of so many candidates.
pub(crate) const NEIGHBOURS: usize = 16;
pub(crate) const CANDIDATES: usize = 128;

/// How many candidates a search keeps.
pub(crate) const EFFORTS: &[usize] = &[4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512];

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
