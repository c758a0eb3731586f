#![doc = include_str!("../README.md")]

mod asked;
mod guard;
mod guarded;
mod head;
#[cfg(feature = "timer")]
mod timer;
mod tracked;
mod verdict;

pub use asked::Asked;
pub use guard::{End, Guard, ReleaseAt};
pub use guarded::Guarded;
pub use head::Head;
#[cfg(feature = "timer")]
pub use timer::Timer;
pub use tracked::{Tracked, is_bodiless};
pub use verdict::Verdict;
