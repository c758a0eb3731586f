//! The way through a closed breaker: how long it takes.

use std::{
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use criterion::{BenchmarkGroup, Criterion, measurement::WallTime};

use crate::{
    rows::{Row, calls, http},
    services::Exchange,
};

pub(crate) fn run() {
    let mut criterion = Criterion::default().configure_from_args();
    http(&mut OneThread(criterion.benchmark_group("breaker/http, one thread")));
    calls(&mut OneThread(criterion.benchmark_group("breaker/calls, one thread")));
    http(&mut TwoThreads(criterion.benchmark_group("breaker/http, two threads")));
    calls(&mut TwoThreads(criterion.benchmark_group("breaker/calls, two threads")));
    criterion.final_summary();
}

struct OneThread<'c>(BenchmarkGroup<'c, WallTime>);

impl OneThread<'_> {
    fn time<E: Exchange>(&mut self, name: &str, mut service: E) {
        self.0.bench_function(name, |bencher| bencher.iter(|| service.exchange()));
    }
}

impl Row for OneThread<'_> {
    fn run<E: Exchange + Clone + Send>(&mut self, name: &str, make: impl Fn() -> E) {
        self.time(name, make());
    }

    #[cfg(feature = "peers")]
    fn run_alone<E: Exchange>(&mut self, name: &str, make: impl Fn() -> E) {
        self.time(name, make());
    }
}

struct TwoThreads<'c>(BenchmarkGroup<'c, WallTime>);

impl Row for TwoThreads<'_> {
    fn run<E: Exchange + Clone + Send>(&mut self, name: &str, make: impl Fn() -> E) {
        let service = make();
        self.0.bench_function(name, |bencher| {
            bencher.iter_custom(|exchanges| {
                let barrier = Barrier::new(2);
                let run = |mut service: E| {
                    barrier.wait();
                    let start = now();
                    (0..exchanges).for_each(|_| service.exchange());
                    now() - start
                };
                let clones = [service.clone(), service.clone()];
                thread::scope(|scope| {
                    let threads = clones.map(|clone| scope.spawn(|| run(clone)));
                    let times = threads.map(|thread| thread.join().expect("no exchange panics"));
                    times.into_iter().sum::<Duration>() / 2
                })
            });
        });
    }

    #[cfg(feature = "peers")]
    fn run_alone<E: Exchange>(&mut self, _: &str, _: impl Fn() -> E) {}
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
