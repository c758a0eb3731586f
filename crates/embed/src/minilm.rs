use std::{path::Path, sync::Arc};

use dashpot_core::Embedding;

use encoder::{Config, Encoder};
use weights::Weights;

use crate::{
    LoadError, Model,
    folder::{Folder, digest},
    pool::pool,
    tokenizer::{Piece, Tokenizer},
};

mod attention;
mod encoder;
mod linear;
mod math;
mod panels;
mod weights;

/// How many tokens go through the layers together. More are no faster each, and all of a forward pass has to stay small.
const TOGETHER: usize = 512;

/// A MiniLM, or another small BERT whose token states are averaged, such as all-MiniLM-L6-v2: pure Rust, on one thread.
///
/// It is large to load and may be shared.
#[derive(Debug)]
pub struct MiniLm {
    encoder: Encoder,
    tokenizer: Tokenizer,
    id: String,
}

impl MiniLm {
    /// Loads a model as sentence-transformers keeps it: a folder with `model.safetensors`, `tokenizer.json`,
    /// `config.json` and `sentence_bert_config.json`.
    ///
    /// # Errors
    ///
    /// If a file is missing, broken, or of a model of another kind.
    pub fn load(folder: impl AsRef<Path>) -> Result<Self, LoadError> {
        let folder = Folder(folder.as_ref());
        let tokenizer_file = folder.read("tokenizer.json")?;
        let tokenizer = Tokenizer::new(folder, &tokenizer_file)?;
        let config: Config = folder.json("config.json")?;
        let name = "model.safetensors";
        let model_file = folder.read(name)?;
        let weights = Weights::new(&model_file).map_err(|reason| folder.unfit(name, reason))?;
        let encoder = Encoder::new(config, &weights).map_err(|reason| folder.unfit(name, reason))?;
        tokenizer.check(folder, encoder.positions(), encoder.vocabulary())?;
        let digest = digest([&model_file, &tokenizer_file]);
        let id = format!("minilm/{digest}/f32/mean/{}", tokenizer.positions());
        Ok(Self { encoder, tokenizer, id })
    }

    /// How many word pieces a text may have; of one that has more nothing is said, nor of one of more than 128 KiB.
    #[must_use]
    pub fn window(&self) -> usize {
        self.tokenizer.window()
    }

    /// How long its vectors are.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        self.encoder.dimensions()
    }

    /// What texts mean that were taken apart already.
    fn embed_pieces(&self, texts: &[Vec<Piece>]) -> Vec<Option<Embedding>> {
        let numbers: Vec<Vec<u32>> =
            texts.iter().map(|pieces| self.tokenizer.numbers(pieces).collect()).collect();
        let states = self.encoder.states(&numbers.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let mut left = &*states;
        let mut embeddings = Vec::with_capacity(texts.len());
        for (pieces, numbers) in texts.iter().zip(&numbers) {
            let states;
            (states, left) = left.split_at(numbers.len() * self.dimensions());
            embeddings.push(pool(pieces, states, self.dimensions()));
        }
        embeddings
    }
}

impl Model for MiniLm {
    /// Kind, SHA-256 of the weights and the vocabulary, numbers, pooling, window.
    fn id(&self) -> &str {
        &self.id
    }

    fn embed(&self, texts: &[Arc<str>]) -> Vec<Option<Embedding>> {
        let mut embeddings = vec![None; texts.len()];
        let (mut waiting, mut indices, mut tokens) = (Vec::new(), Vec::new(), 0);
        let mut run = |waiting: &mut Vec<_>, indices: &mut Vec<usize>| {
            for (index, embedding) in indices.drain(..).zip(self.embed_pieces(waiting)) {
                embeddings[index] = embedding;
            }
            waiting.clear();
        };
        for (index, text) in texts.iter().enumerate() {
            let Some(pieces) = self.tokenizer.pieces(text) else { continue };
            if tokens + pieces.len() > TOGETHER {
                run(&mut waiting, &mut indices);
                tokens = 0;
            }
            tokens += pieces.len() + 2;
            waiting.push(pieces);
            indices.push(index);
        }
        run(&mut waiting, &mut indices);
        embeddings
    }
}
