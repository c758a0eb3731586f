#![doc = include_str!("../README.md")]

#[cfg(feature = "body")]
pub use dashpot_body as body;
#[cfg(feature = "breaker")]
pub use dashpot_breaker as breaker;
#[cfg(feature = "cache")]
pub use dashpot_cache as cache;
#[cfg(feature = "cache-postgres")]
pub use dashpot_cache_postgres as cache_postgres;
#[cfg(feature = "cache-redis")]
pub use dashpot_cache_redis as cache_redis;
pub use dashpot_core as core;
#[cfg(feature = "deadline")]
pub use dashpot_deadline as deadline;
#[cfg(feature = "embed")]
pub use dashpot_embed as embed;
// Its links and its example need them.
#[cfg(all(
    any(doc, doctest),
    feature = "body",
    feature = "breaker",
    feature = "cache",
    feature = "deadline",
    feature = "limit",
    feature = "sse",
    feature = "warm"
))]
pub mod guide;
#[cfg(feature = "limit")]
pub use dashpot_limit as limit;
#[cfg(feature = "sse")]
pub use dashpot_sse as sse;
#[cfg(feature = "warm")]
pub use dashpot_warm as warm;
#[cfg(feature = "wire")]
pub use dashpot_wire as wire;

/// Keeps the examples of the repository's README compiling.
#[cfg(all(doctest, feature = "breaker", feature = "deadline", feature = "limit", feature = "sse"))]
#[doc = include_str!("../../../README.md")]
struct Readme;
