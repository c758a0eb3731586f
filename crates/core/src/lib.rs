#![doc = include_str!("../README.md")]

mod classify;
mod deadline;
mod outcome;
mod priority;
mod rejection;
mod report;
mod retry;
mod tenant;
mod timestamp;

pub use classify::{Classify, HttpClassify};
pub use deadline::{Deadline, grpc_timeout};
pub use outcome::Outcome;
pub use priority::Priority;
pub use rejection::{Rejection, is_grpc};
pub use report::BodyReport;
pub use retry::{Allowance, MAX_RETRY_AFTER, RateLimits, retry_after};
pub use tenant::Tenant;
