use std::sync::Arc;

use dashpot_core::Embedding;

/// Something that embeds texts by computing, which an [`Embedder`](crate::Embedder) has done on its own threads.
pub trait Model: Send + Sync + 'static {
    /// What its vectors can be compared with: equal for models that embed a text the same way, and for no others.
    ///
    /// It belongs into the key of whatever is kept with a vector.
    fn id(&self) -> &str;

    /// What each text means, in the same order; `None` for a text that is longer than the model reads.
    fn embed(&self, texts: &[Arc<str>]) -> Vec<Option<Embedding>>;
}
