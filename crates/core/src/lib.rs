#![doc = include_str!("../README.md")]

mod arrival;
mod call;
mod classify;
mod deadline;
mod embedding;
mod keyed;
mod outcome;
mod priority;
mod rate_limits;
mod rejection;
mod report;
mod retry;
mod tenant;
mod timestamp;

pub use arrival::Arrival;
pub use call::{CallError, ResultClassify};
pub use classify::{Classify, HttpClassify};
pub use deadline::{Deadline, grpc_timeout};
pub use embedding::{Embedding, Tokens, cosine};
pub use keyed::Keyed;
pub use outcome::Outcome;
pub use priority::Priority;
pub use rate_limits::{Allowance, RateLimits};
pub use rejection::{Rejection, is_grpc};
pub use report::BodyReport;
pub use retry::{MAX_RETRY_AFTER, retry_after};
pub use tenant::Tenant;
