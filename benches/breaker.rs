//! What breakers do where breakers go wrong, and what they cost while nothing does.
//!
//! `cargo bench --bench breaker --features peers` runs all; without `peers` only our own. First comes a table, each cell of
//! which is what that breaker did just now: an upstream that fails is put behind it, and the calls that come through are
//! counted. It takes half a minute, since most breakers read a clock that cannot be paused. `-- table` prints only that,
//! and any other argument selects among the times and leaves the table out.
//!
//! The times are those of the way through a closed breaker, which all successful calls take. The service within is ready,
//! and so is its answer; `pending once` wakes its caller and has its answer when it is asked again.
//!
//! * `http`: exchanges with a body that is over, which ours sees to the end. The others know nothing of bodies.
//! * `calls`: a service that gives back a number.
//! * each on one thread, and on two through one breaker as fast as they can.

#[path = "breaker/contestants.rs"]
mod contestants;
#[cfg(feature = "peers")]
#[path = "breaker/peers.rs"]
mod peers;
#[path = "breaker/scenarios.rs"]
mod scenarios;
#[path = "breaker/table.rs"]
mod table;
#[path = "breaker/times.rs"]
mod times;
#[path = "breaker/upstream.rs"]
mod upstream;

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
