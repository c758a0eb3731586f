mod budget;
mod edges;
mod machine;
mod world;

use std::time::Instant;

/// Any instant will do.
pub(crate) fn origin() -> Instant {
    tokio::time::Instant::now().into_std()
}
