//! The way through a closed breaker: how often it allocates.

use allocation_counter::measure;

use crate::{
    rows::{Row, calls, http},
    services::Exchange,
};

#[allow(clippy::print_stdout, reason = "the report of a bench")]
pub(crate) fn print() {
    println!("http");
    http(&mut Count);
    println!("calls");
    calls(&mut Count);
}

struct Count;

impl Count {
    #[allow(clippy::print_stdout, reason = "the report of a bench")]
    fn count<E: Exchange>(name: &str, mut service: E) {
        // The first ones fill what is kept.
        (0..1_000).for_each(|_| service.exchange());
        let counted = measure(|| (0..1_000).for_each(|_| service.exchange()));
        println!("{name:32} {:6.2} allocations", counted.count_total as f64 / 1e3);
    }
}

impl Row for Count {
    fn run<E: Exchange + Clone + Send>(&mut self, name: &str, make: impl Fn() -> E) {
        Self::count(name, make());
    }

    #[cfg(feature = "peers")]
    fn run_alone<E: Exchange>(&mut self, name: &str, make: impl Fn() -> E) {
        Self::count(name, make());
    }
}
