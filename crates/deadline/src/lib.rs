#![doc = include_str!("../README.md")]

mod body;
mod clocks;
mod error;
mod future;
mod layer;
mod pass_on;
mod pulse;
mod service;
mod wish;

pub use body::ResponseBody;
pub use clocks::Clock;
pub use error::BodyError;
pub use future::ResponseFuture;
pub use layer::{DeadlineLayer, Late, Protocol};
pub use pass_on::{PassOn, PassOnLayer};
pub use service::DeadlineService;
