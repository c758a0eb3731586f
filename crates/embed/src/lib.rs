//! Text embedders as Tower services.

mod minilm;
mod model;

pub use minilm::{LoadError, MiniLm};
pub use model::Model;
