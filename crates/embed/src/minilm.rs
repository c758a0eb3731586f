use std::{fs, path::Path, sync::Arc};

use dashpot_core::{Embedding, Tokens};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use encoder::{Config, Encoder};
pub use load_error::LoadError;
use weights::{Unfit, Weights};
use word_piece::{Piece, WordPiece};

use crate::Model;

mod attention;
mod encoder;
mod linear;
mod load_error;
mod math;
mod panels;
mod weights;
mod word_piece;
mod words;

/// How many tokens go through the layers together. More are no faster each, and all of a forward pass has to stay small.
const TOGETHER: usize = 512;

/// No longer text is read, in bytes: with fewer word pieces than a window has, it is made of spaces, or of words that nobody
/// knows, and to take it apart would keep others waiting.
const LONGEST: usize = 128 << 10;

/// A MiniLM, or another small BERT whose token states are averaged, such as all-MiniLM-L6-v2: pure Rust, on one thread.
///
/// It is large to load and may be shared.
#[derive(Debug)]
pub struct MiniLm {
    encoder: Encoder,
    tokenizer: WordPiece,
    window: usize,
    id: String,
}

#[derive(Deserialize)]
struct SentenceBert {
    max_seq_length: usize,
}

impl MiniLm {
    /// Loads a model as sentence-transformers keeps it: a folder with `model.safetensors`, `tokenizer.json`,
    /// `config.json` and `sentence_bert_config.json`.
    ///
    /// # Errors
    ///
    /// If a file is missing, broken, or of a model of another kind.
    pub fn load(folder: impl AsRef<Path>) -> Result<Self, LoadError> {
        let folder = folder.as_ref();
        let file = |name: &str| {
            let path = folder.join(name);
            fs::read(&path).map_err(|error| LoadError::new(&path, error))
        };
        let unfit = |name: &'static str| move |reason: Unfit| LoadError::new(&folder.join(name), reason);

        let sentence_bert: SentenceBert =
            json(&file("sentence_bert_config.json")?).map_err(unfit("sentence_bert_config.json"))?;
        let config: Config = json(&file("config.json")?).map_err(unfit("config.json"))?;
        let tokenizer_file = file("tokenizer.json")?;
        let tokenizer = WordPiece::new(&tokenizer_file).map_err(unfit("tokenizer.json"))?;
        let model_file = file("model.safetensors")?;
        let weights = Weights::new(&model_file).map_err(unfit("model.safetensors"))?;
        let encoder = Encoder::new(config, &weights).map_err(unfit("model.safetensors"))?;

        let window = sentence_bert.max_seq_length;
        if !(2..=encoder.positions()).contains(&window) {
            let reason =
                format!("max_seq_length is {window}, and there are {} positions", encoder.positions());
            return Err(LoadError::new(&folder.join("sentence_bert_config.json"), reason));
        }
        if tokenizer.highest() as usize >= encoder.vocabulary() {
            let reason = "it has more tokens than the model";
            return Err(LoadError::new(&folder.join("tokenizer.json"), reason));
        }
        let digest = Sha256::new().chain_update(&model_file).chain_update(&tokenizer_file).finalize();
        let digest: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let id = format!("minilm/{digest}/f32/mean/{window}");
        Ok(Self { encoder, tokenizer, window, id })
    }

    /// How many word pieces a text may have; of one that has more nothing is said, nor of one of more than 128 KiB.
    #[must_use]
    pub fn window(&self) -> usize {
        self.window - self.tokenizer.ends().len()
    }

    /// How long its vectors are.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        self.encoder.dimensions()
    }

    /// What texts mean that were taken apart already.
    fn embed_pieces(&self, texts: &[Vec<Piece>]) -> Vec<Option<Embedding>> {
        let [first, last] = self.tokenizer.ends();
        let numbers: Vec<Vec<u32>> = texts
            .iter()
            .map(|pieces| [first].into_iter().chain(pieces.iter().map(|(id, _)| *id)).chain([last]).collect())
            .collect();
        let states = self.encoder.states(&numbers.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let mut left = &*states;
        let mut embeddings = Vec::with_capacity(texts.len());
        for (pieces, numbers) in texts.iter().zip(&numbers) {
            let states;
            (states, left) = left.split_at(numbers.len() * self.dimensions());
            embeddings.push(self.pool(pieces, states));
        }
        embeddings
    }

    /// The mean of all states, those at the ends too; and the states between the ends.
    fn pool(&self, pieces: &[Piece], states: &[f32]) -> Option<Embedding> {
        let dimensions = self.dimensions();
        let mut sum = vec![0.0; dimensions];
        for state in states.chunks_exact(dimensions) {
            for (sum, x) in sum.iter_mut().zip(state) {
                *sum += x;
            }
        }
        let between = states.chunks_exact(dimensions).skip(1);
        let tokens = Tokens::new(pieces.iter().map(|(_, span)| span.clone()).zip(between))?;
        Some(Embedding::new(&sum)?.with_tokens(tokens))
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
            let pieces =
                (text.len() <= LONGEST).then(|| self.tokenizer.pieces(text, self.window())).flatten();
            let Some(pieces) = pieces else { continue };
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

fn json<'f, T: Deserialize<'f>>(file: &'f [u8]) -> Result<T, Unfit> {
    serde_json::from_slice(file).map_err(|error| Unfit(error.to_string()))
}
