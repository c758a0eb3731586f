#![doc = include_str!("../README.md")]

mod embedder;
mod folder;
mod load_error;
mod minilm;
mod model;
#[cfg(feature = "ort")]
mod onnx;
mod open_ai;
mod pool;
mod tokenizer;

pub use embedder::{Embedder, EmbedderBuilder, EmbedderError, EmbedderFuture};
pub use load_error::LoadError;
pub use minilm::MiniLm;
pub use model::Model;
#[cfg(feature = "ort")]
pub use onnx::{OnnxMiniLm, OnnxRuntime};
pub use open_ai::{BadAnswer, OpenAiEmbedder, OpenAiFuture, UpstreamError};
