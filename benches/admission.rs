//! What it costs to be admitted and to leave again, beside what it costs with other crates.
//!
//! `cargo bench --bench admission --features peers` runs all rows; without `peers` only our own. The service under the
//! limits is ready, and so is its answer, whose body is over: what a row takes more than the bare service is its limit.
//!
//! * `one thread`: one exchange after another. That is far faster than any upstream, so our limit measures only one of 16
//!   (the others read no clock).
//! * `each measured`: 512 limits in turn, so that each sees an exchange now and then, and measures it: two readings of
//!   the clock, and a report to the policy. The bare service goes around too.
//! * `two threads`: both through one limit, as fast as they can.
//! * `calls, ...`: the same with a service that is not HTTP and gives back a number. There is no head to read and no body to
//!   wrap, so this is what it costs to take a slot and to give it back.

use std::{
    cell::Cell,
    convert::Infallible,
    future::{Ready, ready},
    hint::{black_box, spin_loop},
    sync::Barrier,
    task::{Context, Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use criterion::{BenchmarkGroup, Criterion, measurement::WallTime};
use dashpot::limit::{CallLimitLayer, LimitLayer, policy::Fixed};
use futures_util::FutureExt;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Empty;
#[cfg(feature = "peers")]
use tower::ServiceExt;
use tower::{Layer, Service};

#[cfg(feature = "peers")]
#[path = "limiter_real/peers.rs"]
mod peers;

/// More than ever are in flight here.
const ENOUGH: u32 = 100;

const KEYS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

#[derive(Clone, Copy)]
struct Upstream;

impl Service<Request<Empty<Bytes>>> for Upstream {
    type Response = Response<Empty<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Empty<Bytes>>) -> Self::Future {
        ready(Ok(Response::new(Empty::new())))
    }
}

/// Not HTTP.
#[derive(Clone, Copy)]
struct Echo;

impl Service<u32> for Echo {
    type Response = u32;
    type Error = Infallible;
    type Future = Ready<Result<u32, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, number: u32) -> Self::Future {
        ready(Ok(number))
    }
}

// Without a name for each part, which no row needs.
trait Exchange: Clone + Send {
    fn exchange(&mut self);
}

impl<S, B> Exchange for S
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>, Error = Infallible> + Clone + Send,
    B: Body<Data = Bytes>,
{
    fn exchange(&mut self) {
        // Some take their slot here and not in the call, and lower their limit until there is none for the other thread.
        while self.poll_ready(&mut Context::from_waker(Waker::noop())).is_pending() {
            spin_loop();
        }
        let answer = self.call(Request::new(Empty::new())).now_or_never();
        assert!(answer.is_some_and(|Ok(response)| black_box(response).status().is_success()));
    }
}

/// A service of numbers under test.
#[derive(Clone)]
struct Calls<S>(S);

impl<S> Exchange for Calls<S>
where
    S: Service<u32, Response = u32> + Clone + Send,
{
    fn exchange(&mut self) {
        while self.0.poll_ready(&mut Context::from_waker(Waker::noop())).is_pending() {
            spin_loop();
        }
        let answer = self.0.call(black_box(7)).now_or_never();
        assert!(answer.is_some_and(|answer| answer.is_ok_and(|number| black_box(number) == 7)));
    }
}

/// Runs `row` with what makes each service under test.
fn rows(group: &mut BenchmarkGroup<'_, WallTime>, row: &impl Row) {
    row.run(group, "bare service", || Upstream);
    row.run(group, "Limit", || LimitLayer::new().layer(Upstream));
    row.run(group, "Limit, fixed", || LimitLayer::with_policy(Fixed::new(ENOUGH)).layer(Upstream));
    #[cfg(feature = "peers")]
    {
        row.run(group, "tower ConcurrencyLimit", || peers::tower(Upstream, ENOUGH as usize));
        row.run(group, "tower-acc Vegas", || peers::acc(Upstream));
        row.run(group, "tower-resilience-adaptive Vegas", || {
            ServiceExt::map_err(peers::resilience(Upstream), peers::inner_error)
        });
    }
}

/// As [`rows`], without HTTP.
fn calls(group: &mut BenchmarkGroup<'_, WallTime>, row: &impl Row) {
    row.run(group, "bare service", || Calls(Echo));
    row.run(group, "CallLimit", || Calls(CallLimitLayer::new().layer(Echo)));
    row.run(group, "CallLimit, fixed", || Calls(CallLimitLayer::with_policy(Fixed::new(ENOUGH)).layer(Echo)));
    #[cfg(feature = "peers")]
    {
        row.run(group, "tower ConcurrencyLimit", || Calls(peers::tower(Echo, ENOUGH as usize)));
        row.run(group, "tower-acc Vegas", || Calls(peers::acc(Echo)));
    }
}

/// What a limit costs that has to look at the requests, which are of each kind in turn.
fn kinds(group: &mut BenchmarkGroup<'_, WallTime>, row: &impl Row) {
    let fixed = || LimitLayer::with_policy(Fixed::new(ENOUGH));
    row.run(group, "Limit, fixed, 8 keys", || {
        fixed().keyed(KEYS.len(), |_| Some(KEYS[turn() % KEYS.len()].into())).layer(Upstream)
    });
    row.run(group, "Limit, fixed, 2 partitions", || {
        let shares = [(KEYS[0], 0.5), (KEYS[1], 0.5)];
        fixed().partitions(shares, |_| Some(KEYS[turn() % 2])).layer(Upstream)
    });
    row.run(group, "Limit, fixed, tokens", || fixed().tokens(500_000, |_| 100).layer(Upstream));
}

/// Counts up, on each thread for itself: a shared count would cost more than what is measured.
fn turn() -> usize {
    thread_local!(static TURN: Cell<usize> = const { Cell::new(0) });
    TURN.replace(TURN.get().wrapping_add(1))
}

trait Row {
    fn run<E: Exchange>(&self, group: &mut BenchmarkGroup<'_, WallTime>, name: &str, make: impl Fn() -> E);
}

struct OneThread;

impl Row for OneThread {
    fn run<E: Exchange>(&self, group: &mut BenchmarkGroup<'_, WallTime>, name: &str, make: impl Fn() -> E) {
        let mut service = make();
        group.bench_function(name, |bencher| bencher.iter(|| service.exchange()));
    }
}

struct EachMeasured;

impl Row for EachMeasured {
    fn run<E: Exchange>(&self, group: &mut BenchmarkGroup<'_, WallTime>, name: &str, make: impl Fn() -> E) {
        // Around them takes longer than the 20 microseconds below which a limit measures fewer, and they fit in a cache.
        let mut services: Vec<E> = (0..512).map(|_| make()).collect();
        group.bench_function(name, |bencher| {
            let mut turn = 0;
            bencher.iter(|| {
                services[turn].exchange();
                turn = (turn + 1) % services.len();
            });
        });
    }
}

struct TwoThreads;

impl Row for TwoThreads {
    fn run<E: Exchange>(&self, group: &mut BenchmarkGroup<'_, WallTime>, name: &str, make: impl Fn() -> E) {
        let service = make();
        group.bench_function(name, |bencher| {
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
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// All services in one way, each kind of them in a group of its own.
fn all(criterion: &mut Criterion, name: &str, row: &impl Row) {
    let mut group = criterion.benchmark_group(format!("admission/{name}"));
    rows(&mut group, row);
    kinds(&mut group, row);
    group.finish();
    calls(&mut criterion.benchmark_group(format!("admission/calls, {name}")), row);
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    all(&mut criterion, "one thread", &OneThread);
    all(&mut criterion, "each measured", &EachMeasured);
    all(&mut criterion, "two threads", &TwoThreads);
    criterion.final_summary();
}
