#![doc = include_str!("../README.md")]

mod embedder;
mod minilm;
mod model;
mod open_ai;

pub use embedder::{Embedder, EmbedderBuilder, EmbedderError, EmbedderFuture};
pub use minilm::{LoadError, MiniLm};
pub use model::Model;
pub use open_ai::{BadAnswer, OpenAiEmbedder, OpenAiFuture, UpstreamError};
