//! What a proxy's handling of event streams adds to the time of a token on its way, and what it costs.
//!
//! `cargo bench --bench first_token --features peers` prints all rows; without `peers` only our own. An upstream, an axum
//! proxy and the clients, in one process and over HTTP/1.1: 1,000 streams at once of `--events` (default: 100) events
//! each, one every 100 ms. Each row is the same proxy with another handling of the streams. The rows take turns, five times,
//! and each figure is the least of the five: what else the machine does can only add to it.
//!
//! Each event says when it was made, and the client looks at the clock when it has read it.
//!
//! * asked: the time from the question to the first event, less the 100 ms that the upstream waits before it: all that lies on
//!   both ways. Each question is another one, so that to the cache each is a miss, which it keeps.
//! * first: the time of the first event on its way, median and 99th percentile of all streams.
//! * any: the same of all events.
//! * CPU: of the proxy's thread, by event; and how much more than without any handling.

#[path = "first_token/client.rs"]
mod client;
#[path = "first_token/proxy.rs"]
mod proxy;
#[path = "first_token/upstream.rs"]
mod upstream;

use std::time::Duration;

use proxy::{Proxy, ROWS};

const STREAMS: usize = 1000;
const GAP: Duration = Duration::from_millis(100);
const ROUNDS: usize = 5;

/// The times of events on their way.
#[derive(Debug, Default)]
struct Times {
    asked: Vec<Duration>,
    first: Vec<Duration>,
    any: Vec<Duration>,
}

#[tokio::main(flavor = "current_thread")]
#[allow(clippy::print_stdout, reason = "the report of a bench")]
async fn main() {
    // Nothing is timed where allocations are counted.
    if cfg!(feature = "allocations") {
        return;
    }
    let events = events();
    rlimit::increase_nofile_limit(u64::MAX).expect("a process may raise its soft limit");
    let upstream = upstream::start(events, GAP).await;
    let mut least = vec![[Duration::MAX; 7]; ROWS.len()];
    for round in 0..=ROUNDS {
        for (row, least) in ROWS.iter().zip(&mut least) {
            let proxy = Proxy::start(row, upstream.clone());
            let seen = client::read(proxy.url(), STREAMS, GAP).await;
            assert_eq!(seen.any.len(), STREAMS * events, "{}: events are missing", row.name);
            let cpu = proxy.cpu() / u32::try_from(seen.any.len()).expect("they are not that many");
            let [[asked, asked99], [first, first99], [any, any99]] =
                [seen.asked, seen.first, seen.any].map(percentiles);
            // The first round is for caches, and for pages that no one has touched.
            if round > 0 {
                let now = [asked, asked99, first, first99, any, any99, cpu];
                *least = std::array::from_fn(|figure| least[figure].min(now[figure]));
            }
        }
    }
    println!(
        "{:30} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10} {:>8}",
        "", "asked p50", "p99", "first p50", "p99", "any p50", "p99", "CPU", "more"
    );
    for (row, [asked, asked99, first, first99, any, any99, cpu]) in ROWS.iter().zip(&least) {
        let more = (cpu.as_secs_f64() / least[0][6].as_secs_f64() - 1.0) * 100.0;
        println!(
            "{:30} {asked:>10.1?} {asked99:>10.1?} {first:>10.1?} {first99:>10.1?} {any:>10.1?} {any99:>10.1?} {cpu:>10.2?} {more:>6.1} %",
            row.name
        );
    }
}

/// The median and the 99th percentile.
fn percentiles(mut times: Vec<Duration>) -> [Duration; 2] {
    times.sort();
    [50, 99].map(|percent| times[times.len() * percent / 100])
}

/// What `--events` says.
fn events() -> usize {
    let mut args = std::env::args().skip_while(|arg| arg != "--events").skip(1);
    args.next().map_or(100, |events| events.parse().expect("--events wants a number"))
}
