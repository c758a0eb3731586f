//! What breakers do where breakers go wrong, and what they cost while nothing does.
//!
//! `cargo bench --bench breaker --features peers` runs all; without `peers` only our own. First comes a table, each cell of
//! which is what that breaker did just now: an upstream that fails is put behind it, and the calls that come through are
//! counted. It takes a quarter of a minute, since most breakers read a clock that cannot be paused. `-- table` prints only that,
//! and any other argument selects among the times and leaves the table out.
//!
//! The times are those of the way through a closed breaker, which all successful calls take. The service within is ready,
//! and so is its answer; `pending once` wakes its caller and has its answer when it is asked again.
//!
//! * `http`: exchanges with a body that is over, which ours sees to the end. The others know nothing of bodies.
//! * `calls`: a service that gives back a number.
//! * each on one thread, and on two through one breaker as fast as they can.
//!
//! With `--features peers,allocations` it counts allocations instead of all that.

#[cfg(any(feature = "peers", not(feature = "allocations")))]
use std::time::Duration;

#[cfg(feature = "allocations")]
#[path = "breaker/allocations.rs"]
mod allocations;
#[cfg(not(feature = "allocations"))]
#[path = "breaker/contestants.rs"]
mod contestants;
#[cfg(all(feature = "peers", not(feature = "allocations")))]
#[path = "breaker/others.rs"]
mod others;
#[cfg(feature = "peers")]
#[path = "breaker/peers.rs"]
mod peers;
#[path = "breaker/rows.rs"]
mod rows;
#[cfg(not(feature = "allocations"))]
#[path = "breaker/scenarios.rs"]
mod scenarios;
#[path = "breaker/services.rs"]
mod services;
#[cfg(not(feature = "allocations"))]
#[path = "breaker/table.rs"]
mod table;
#[cfg(not(feature = "allocations"))]
#[path = "breaker/times.rs"]
mod times;
#[cfg(not(feature = "allocations"))]
#[path = "breaker/upstream.rs"]
mod upstream;

/// All of them wait about as long when they open first.
#[cfg(any(feature = "peers", not(feature = "allocations")))]
const WAIT: Duration = Duration::from_millis(100);

/// Where a wait may grow, it grows to this.
#[cfg(any(feature = "peers", not(feature = "allocations")))]
const MAX_WAIT: Duration = Duration::from_secs(10);

#[cfg(feature = "allocations")]
fn main() {
    allocations::print();
}

#[cfg(not(feature = "allocations"))]
fn main() {
    // But for what cargo passes.
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    if filter.as_ref().is_none_or(|filter| filter == "table") {
        table::print();
    }
    if filter.is_none_or(|filter| filter != "table") {
        times::run();
    }
}
