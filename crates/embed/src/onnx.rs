use std::{
    fmt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use dashpot_core::Embedding;

use graph::Graph;
pub use runtime::OnnxRuntime;

use crate::{
    LoadError, Model,
    folder::{Folder, digest, read},
    pool::pool,
    tokenizer::{Piece, Tokenizer},
};

mod graph;
mod library;
mod runtime;

/// A MiniLM, or another small BERT whose token states are averaged, as ONNX Runtime computes it from an ONNX file.
///
/// It has one text in work at a time: to several threads of an [`Embedder`](crate::Embedder) it gives no more than to one.
pub struct OnnxMiniLm {
    graph: Mutex<Graph>,
    dimensions: usize,
    tokenizer: Tokenizer,
    id: String,
}

impl OnnxMiniLm {
    /// Loads a model from an ONNX file, whole and of any numbers, 8 bits too, and its `tokenizer.json` and
    /// `sentence_bert_config.json` from a folder.
    ///
    /// From `input_ids`, `attention_mask` and perhaps `token_type_ids` the file must make the states of all tokens; what
    /// else it makes is let be. The longest text that it may be given is tried at once.
    ///
    /// # Errors
    ///
    /// If a file is missing, broken, or of a model of another kind.
    pub fn load(
        runtime: &OnnxRuntime,
        model: impl AsRef<Path>,
        folder: impl AsRef<Path>,
    ) -> Result<Self, LoadError> {
        let (model, folder) = (model.as_ref(), Folder(folder.as_ref()));
        let tokenizer_file = folder.read("tokenizer.json")?;
        let tokenizer = Tokenizer::new(folder, &tokenizer_file)?;
        tokenizer.check_positions(folder)?;
        let model_file = read(model)?;
        let mut graph = Graph::new(runtime, &model_file).map_err(|reason| LoadError::new(model, reason))?;

        let (highest, positions) = (tokenizer.highest(), tokenizer.positions());
        let longest = vec![highest.into(); positions];
        let (states, dimensions) = graph.states(longest).map_err(|reason| {
            LoadError::new(model, format!("it does not take {positions} tokens up to {highest}: {reason}"))
        })?;
        if pool(&[], &states, dimensions).is_none() {
            return Err(LoadError::new(model, "its states are no numbers"));
        }
        let id = format!("onnx/{}/mean/{positions}", digest([&model_file, &tokenizer_file]));
        Ok(Self { graph: Mutex::new(graph), dimensions, tokenizer, id })
    }

    /// How many word pieces a text may have; of one that has more nothing is said, nor of one of more than 128 KiB.
    #[must_use]
    pub fn window(&self) -> usize {
        self.tokenizer.window()
    }

    /// How long its vectors are.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    fn embed_pieces(&self, pieces: &[Piece]) -> Option<Embedding> {
        let numbers = self.tokenizer.numbers(pieces).map(i64::from).collect();
        // To be read it is only borrowed exclusively: a panic left nothing half done.
        let mut graph = self.graph.lock().unwrap_or_else(PoisonError::into_inner);
        let result = graph.states(numbers);
        drop(graph);
        let (states, dimensions) = result.unwrap_or_else(|reason| panic!("ONNX Runtime: {reason}"));
        assert_eq!(dimensions, self.dimensions, "every text has as many");
        pool(pieces, &states, dimensions)
    }
}

impl Model for OnnxMiniLm {
    /// Kind, SHA-256 of the model's file and the vocabulary, pooling, window.
    fn id(&self) -> &str {
        &self.id
    }

    /// Each text by itself: side by side they would need padding, and numbers in 8 bits would share a scale.
    ///
    /// # Panics
    ///
    /// If the runtime fails, as without memory it does.
    fn embed(&self, texts: &[Arc<str>]) -> Vec<Option<Embedding>> {
        let embed = |text: &Arc<str>| self.embed_pieces(&self.tokenizer.pieces(text)?);
        texts.iter().map(embed).collect()
    }
}

impl fmt::Debug for OnnxMiniLm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnnxMiniLm").field("id", &self.id).finish_non_exhaustive()
    }
}
