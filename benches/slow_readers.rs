//! What a stream costs in memory whose client reads slowly or not at all.
//!
//! `cargo bench --bench slow_readers` starts the gateway, built with optimisations, in front of an upstream that says as
//! much as is taken from it, and opens thousands of streams through it. Nobody reads at first, and the upstream is held
//! back; then for `--seconds` (default: 30) every second client reads 1 KiB a second and the others still nothing, and
//! the upstream gives no more than that.
//!
//! * taken: of the upstream, by stream, until it was held back: the buffers of four sockets and of hyper on the way.
//! * memory: the gateway's RSS, less what it had before, by stream; right after that, and at the end of the reading.
//! * read, given: by the clients and of the upstream while they read, in KiB a second for all streams together.
//!
//! Over HTTP/1.1 a stream takes two of the gateway's files and two of this program's; where a process may have 20,000,
//! 10,000 streams are 100 too many, and fewer are opened. Over HTTP/2 the clients share connections.

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::Duration;

use support::{
    Gateway,
    slow::{Fountain, Readers, VARIABLES},
};
use tokio::time::{Instant, sleep_until};

const STREAMS: [usize; 3] = [1000, 5000, 10_000];

/// Files that are no stream's.
const OTHER_FILES: u64 = 200;

#[tokio::main]
#[allow(clippy::print_stdout, reason = "the report of a bench")]
async fn main() {
    // Nothing is timed where allocations are counted.
    if cfg!(feature = "allocations") {
        return;
    }
    let seconds = seconds();
    let files = rlimit::increase_nofile_limit(u64::MAX).expect("a process may raise its soft limit");
    let most = usize::try_from((files - OTHER_FILES) / 2).unwrap_or(usize::MAX);
    println!(
        "{:8} {:>7} {:>10} {:>10} {:>12} {:>10} {:>10}",
        "", "streams", "taken", "memory", "memory later", "read", "given"
    );
    for (name, http2) in [("HTTP/1.1", false), ("HTTP/2", true)] {
        let upstream = Fountain::start();
        let gateway = Gateway::with(upstream.url(), &VARIABLES);
        let address = gateway.url().strip_prefix("http://").expect("it is an address of HTTP").to_owned();
        let empty = gateway.rss();
        let mut readers = Readers::default();
        let mut open = 0;
        for streams in STREAMS {
            let streams = if http2 { streams } else { streams.min(most) };
            for _ in open..streams {
                readers.open(&address, http2).await;
            }
            open = streams;
            let memory = || (gateway.rss() - empty) / streams as u64;
            let taken = upstream.is_held_back().await;
            let at_first = memory();
            let (mut read, mut now) = (0, Instant::now());
            for _ in 0..seconds {
                read += readers.read(|number| number.is_multiple_of(2));
                now += Duration::from_secs(1);
                sleep_until(now).await;
            }
            let given = upstream.taken() - taken;
            let rate = |bytes: u64| bytes / 1024 / seconds as u64;
            println!(
                "{name:8} {streams:7} {:>8} B {at_first:>8} B {:>10} B {:>10} {:>10}",
                taken / streams as u64,
                memory(),
                rate(read),
                rate(given)
            );
        }
    }
}

/// What `--seconds` says.
fn seconds() -> usize {
    let mut args = std::env::args().skip_while(|arg| arg != "--seconds").skip(1);
    args.next().map_or(30, |seconds| seconds.parse().expect("--seconds wants a number"))
}
