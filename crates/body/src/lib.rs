#![doc = include_str!("../README.md")]

mod guard;
mod guarded;
mod tracked;
mod verdict;

pub use guard::{End, Guard, ReleaseAt};
pub use guarded::Guarded;
pub use tracked::{Tracked, is_bodiless};
pub use verdict::Verdict;
