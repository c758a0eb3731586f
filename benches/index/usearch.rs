use dashpot::core::Embedding;
use usearch::{Index, IndexOptions, MetricKind, ScalarKind};

use crate::{
    contestants::Contestant,
    corpus::DIMENSIONS,
    data::MOST,
    peers::{CANDIDATES, EFFORTS, NEIGHBOURS},
};

pub(crate) struct Usearch(Index);

pub(crate) fn new(quantization: ScalarKind, room: usize) -> Usearch {
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
