#![doc = include_str!("../README.md")]

mod embedder;
mod minilm;
mod model;

pub use embedder::{Embedder, EmbedderBuilder, EmbedderError, EmbedderFuture};
pub use minilm::{LoadError, MiniLm};
pub use model::Model;
