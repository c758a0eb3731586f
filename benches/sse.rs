//! How fast event streams are watched and parsed, beside other crates that parse them.
//!
//! `cargo bench --bench sse --features peers` runs all rows; without `peers` only our own. With
//! `--features peers,allocations` it counts allocations per event instead: a counting allocator would slow down the
//! peers, so both are never done at once.
//!
//! A row reads the same corpus (`sse/corpus.rs`) in the same chunks. The stream-based peers get their chunks from a
//! stream that is always ready and whose chunks cost nothing to clone. `memchr2` only finds the line ends: the limit for
//! whoever must look at each byte once.

#[path = "sse/corpus.rs"]
mod corpus;
#[path = "sse/rows.rs"]
mod rows;

use criterion::{BenchmarkId, Criterion, Throughput};
use dashpot_wire::{
    dialect::StreamReader,
    sse::{Framer, Parser},
};

use corpus::{Chunks, Corpus};

#[allow(clippy::print_stdout, reason = "the report of a bench")]
fn main() {
    let long = Corpus::new(6 << 20);
    println!(
        "{} bytes in {} events; state in bytes: Framer {}, Parser {}, StreamReader {}",
        long.bytes(),
        long.events(),
        size_of::<Framer>(),
        size_of::<Parser>(),
        size_of::<StreamReader>(),
    );
    let cases = [
        ("event", long.by_event()),
        ("16384", long.by_bytes(16 << 10)),
        ("1400", long.by_bytes(1400)),
        ("128", long.by_bytes(128)),
        // What is not linear is slower where the stream is longer.
        ("1", Corpus::new(1 << 18).by_bytes(1)),
        ("1 of a stream 8 times as long", Corpus::new(1 << 21).by_bytes(1)),
    ];
    for (_, chunks) in &cases {
        for row in rows::ROWS {
            assert!(row.counts_lines || (row.read)(chunks) == chunks.events, "{} loses events", row.name);
        }
    }
    #[cfg(feature = "allocations")]
    for (size, chunks) in &cases {
        for row in rows::ROWS {
            let allocations = allocation_counter::measure(|| assert_ne!((row.read)(chunks), 0)).count_total;
            let per_event = allocations as f64 / chunks.events as f64;
            println!("chunks of {size:30} {:25} {per_event:8.3} allocations per event", row.name);
        }
    }
    #[cfg(not(feature = "allocations"))]
    time(&cases);
}

#[cfg_attr(feature = "allocations", expect(dead_code, reason = "counting and timing are never done at once"))]
fn time(cases: &[(&str, Chunks)]) {
    let mut criterion = Criterion::default().configure_from_args();
    for (size, chunks) in cases {
        let mut group = criterion.benchmark_group(format!("sse/chunks of {size}"));
        group.throughput(Throughput::Bytes(chunks.bytes as u64));
        for row in rows::ROWS {
            group.bench_with_input(BenchmarkId::from_parameter(row.name), chunks, |bencher, chunks| {
                bencher.iter(|| (row.read)(chunks));
            });
        }
        group.finish();
    }
    criterion.final_summary();
}
