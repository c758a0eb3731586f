//! How soon the upstream is let go when a client is gone in mid-stream, and what stays behind in the gateway.
//!
//! `cargo bench --bench kills` starts the simulated model server and the gateway, built with optimisations, and lets
//! 10,000 clients leave, half of them over HTTP/1.1 (a closed connection) and half over HTTP/2 (a reset stream), each
//! after a random event of its stream, 32 at a time. Each time is from the client's leaving to the end of the exchange
//! at the model. In the end the gateway must hold no exchange, no slot of the limit, no task and no file more than
//! before; its memory is printed on the way.

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::Duration;

use support::{
    Gateway,
    held::Held,
    kills::{VARIABLES, kill, model},
};

/// What the promise is.
const AT_ONCE: Duration = Duration::from_millis(100);

const ROUNDS: usize = 5;
const ROUND: usize = 1000;

#[tokio::main]
#[allow(clippy::print_stdout, reason = "the report of a bench")]
async fn main() {
    // Nothing is timed where allocations are counted.
    if cfg!(feature = "allocations") {
        return;
    }
    let model = model(ROUND);
    let gateway = Gateway::with(&model.url(), &VARIABLES);
    println!("{:9} {:>6} {:>9} {:>9} {:>9} {:>12}", "", "kills", "p50", "p99", "worst", "gateway RSS");
    // What the first streams leave is for the next: an allocator's arenas, a thread's buffers.
    kill(&model, &gateway, false, ROUND).await;
    kill(&model, &gateway, true, ROUND).await;
    let before = Held::by(&gateway);
    for (name, http2) in [("HTTP/1.1", false), ("HTTP/2", true)] {
        let mut all: Vec<Duration> = Vec::new();
        for _ in 0..ROUNDS {
            all.extend(kill(&model, &gateway, http2, ROUND).await);
            all.sort();
            let [p50, p99] = [50, 99].map(|percent| all[all.len() * percent / 100]);
            let worst = all[all.len() - 1];
            let rss = gateway.rss() >> 10;
            assert!(p99 < AT_ONCE, "{name}: {all:?}");
            println!("{name:9} {:6} {p50:>9.1?} {p99:>9.1?} {worst:>9.1?} {rss:>8} KiB", all.len());
        }
    }
    model.shutdown().await;
    before.is_all_that_stays(&gateway).await;
    println!("nothing stayed behind: {:?}", Held::by(&gateway));
}
