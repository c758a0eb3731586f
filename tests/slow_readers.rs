//! A client that reads slowly slows its upstream, and nobody else's, and what it leaves unread is not heaped up.
#![allow(clippy::print_stdout, reason = "the sizes are worth reading")]

mod support;

use std::time::Duration;

use support::{
    Gateway,
    held::Held,
    slow::{Fountain, Readers, VARIABLES},
};
use tokio::time::Instant;

const STREAMS: usize = 100;

/// More than the buffers of two sockets and of hyper on the way take for one stream, and far less than a fountain says
/// while a test looks away.
const MOST: u64 = 2 << 20;

/// Longer than anything takes here.
const LONG: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_is_held_back_while_its_client_does_not_read() {
    rlimit::increase_nofile_limit(u64::MAX).expect("the limit of open files can be raised");
    for http2 in [false, true] {
        let upstream = Fountain::start();
        let gateway = Gateway::with(upstream.url(), &VARIABLES);
        let address = gateway.url().strip_prefix("http://").expect("it is an address of HTTP").to_owned();
        // The first stream makes what every gateway keeps.
        Readers::default().open(&address, http2).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let (before, empty) = (Held::by(&gateway), gateway.rss());

        let mut readers = Readers::default();
        for _ in 0..STREAMS {
            readers.open(&address, http2).await;
        }
        let taken = upstream.is_held_back().await;
        let memory = gateway.rss().saturating_sub(empty) / STREAMS as u64;
        let each = taken / STREAMS as u64;
        println!(
            "HTTP/2 {http2}: unread, a stream took {each} bytes of its upstream, {memory} of the gateway's memory"
        );
        assert!(each < MOST && memory < MOST, "HTTP/2 {http2}: {each} of the upstream, {memory} of memory");

        // They go on when they are read, and no faster.
        let mut read = 0;
        let end = Instant::now() + LONG;
        while read < 2 * taken {
            read += readers.read(|_| true);
            assert!(Instant::now() < end, "HTTP/2 {http2}: nothing comes any more after {read} bytes");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let more = upstream.is_held_back().await - taken;
        println!("HTTP/2 {http2}: {read} bytes were read, and then {more} more were taken of the upstream");
        assert!(more > 0 && more < read + taken, "HTTP/2 {http2}: {more}, {read} read");

        drop((readers, upstream));
        before.is_all_that_stays(&gateway).await;
    }
}
