//! The way through a closed breaker.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    hint::{black_box, spin_loop},
    pin::{Pin, pin},
    sync::Barrier,
    task::{Context, Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use criterion::{BenchmarkGroup, Criterion, measurement::WallTime};
use dashpot::breaker::{BreakerLayer, CallBreakerLayer};
use http::{Request, Response};
use http_body::Body;
use http_body_util::Empty;
use tower::{Layer, Service};

#[cfg(feature = "peers")]
use crate::peers;

type Asked = Request<Empty<Bytes>>;

/// HTTP, answered at once.
#[derive(Clone, Copy)]
struct Upstream;

impl Service<Asked> for Upstream {
    type Response = Response<Empty<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Asked) -> Self::Future {
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

/// Answers when it is asked again.
#[derive(Clone, Copy)]
struct PendingOnce<S>(S);

impl<S: Service<R>, R> Service<R> for PendingOnce<S>
where
    S::Future: Unpin,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Later<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        Later { answer: self.0.call(request), is_asked: false }
    }
}

struct Later<F> {
    answer: F,
    is_asked: bool,
}

impl<F: Future + Unpin> Future for Later<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        if !std::mem::replace(&mut self.is_asked, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Pin::new(&mut self.answer).poll(cx)
    }
}

/// Some are pending when the other thread holds their lock.
fn wait<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(answer) => return answer,
            Poll::Pending => spin_loop(),
        }
    }
}

fn until_ready<S: Service<R>, R>(service: &mut S) {
    while service.poll_ready(&mut Context::from_waker(Waker::noop())).is_pending() {
        spin_loop();
    }
}

trait Exchange {
    fn exchange(&mut self);
}

#[derive(Clone)]
struct Http<S>(S);

impl<S, B> Exchange for Http<S>
where
    S: Service<Asked, Response = Response<B>>,
    B: Body<Data = Bytes>,
{
    fn exchange(&mut self) {
        until_ready(&mut self.0);
        let answer = wait(self.0.call(Request::new(Empty::new())));
        assert!(answer.is_ok_and(|response| black_box(response).status().is_success()));
    }
}

#[derive(Clone)]
struct Calls<S>(S);

impl<S> Exchange for Calls<S>
where
    S: Service<u32, Response = u32>,
{
    fn exchange(&mut self) {
        until_ready(&mut self.0);
        let answer = wait(self.0.call(black_box(7)));
        assert!(answer.is_ok_and(|number| black_box(number) == 7));
    }
}

/// For those that are no layers: they wrap the future of each call.
#[cfg(feature = "peers")]
#[derive(Clone)]
struct Wraps<F>(F);

#[cfg(feature = "peers")]
impl<F, A, E> Exchange for Wraps<F>
where
    F: Fn(Ready<Result<u32, Infallible>>) -> A,
    A: Future<Output = Result<u32, E>>,
{
    fn exchange(&mut self) {
        until_ready(&mut Echo);
        let answer = wait((self.0)(Echo.call(black_box(7))));
        assert!(answer.is_ok_and(|number| black_box(number) == 7));
    }
}

fn with_window(seconds: u64) -> BreakerLayer {
    BreakerLayer::new().failure_ratio(0.5, 20, Duration::from_secs(seconds))
}

/// Runs `row` with what makes each service under test.
fn http(group: &mut BenchmarkGroup<'_, WallTime>, row: &impl Row) {
    row.run(group, "bare service", || Http(Upstream));
    row.run(group, "Breaker", || Http(BreakerLayer::new().layer(Upstream)));
    row.run(group, "Breaker, window of 1 s", || Http(with_window(1).layer(Upstream)));
    row.run(group, "Breaker, window of 1 h", || Http(with_window(3_600).layer(Upstream)));
    #[cfg(feature = "peers")]
    {
        row.run(group, "tower-resilience", || Http(peers::resilience(Upstream, Result::is_err, None)));
        row.run_alone(group, "tower-circuitbreaker", || Http(peers::tower(Upstream, Result::is_err)));
    }
    row.run(group, "bare service, pending once", || Http(PendingOnce(Upstream)));
    row.run(group, "Breaker, pending once", || Http(BreakerLayer::new().layer(PendingOnce(Upstream))));
}

fn calls(group: &mut BenchmarkGroup<'_, WallTime>, row: &impl Row) {
    let ours = |layer| CallBreakerLayer::new(&layer);
    row.run(group, "bare service", || Calls(Echo));
    row.run(group, "CallBreaker", || Calls(ours(BreakerLayer::new()).layer(Echo)));
    row.run(group, "CallBreaker, window of 1 s", || Calls(ours(with_window(1)).layer(Echo)));
    row.run(group, "CallBreaker, window of 1 h", || Calls(ours(with_window(3_600)).layer(Echo)));
    #[cfg(feature = "peers")]
    {
        let second = Some(Duration::from_secs(1));
        row.run(group, "tower-resilience", || Calls(peers::resilience(Echo, Result::is_err, None)));
        row.run(group, "tower-resilience, window of 1 s", || {
            Calls(peers::resilience(Echo, Result::is_err, second))
        });
        row.run_alone(group, "tower-circuitbreaker", || Calls(peers::tower(Echo, Result::is_err)));
        row.run(group, "recloser", || {
            let breaker = peers::recloser();
            Wraps(move |call| breaker.call(call))
        });
        row.run(group, "failsafe", || {
            let breaker = peers::failsafe();
            Wraps(move |call| failsafe::futures::CircuitBreaker::call(&breaker, call))
        });
    }
    row.run(group, "bare service, pending once", || Calls(PendingOnce(Echo)));
    row.run(group, "CallBreaker, pending once", || Calls(ours(BreakerLayer::new()).layer(PendingOnce(Echo))));
}

trait Row {
    fn run<E>(&self, group: &mut BenchmarkGroup<'_, WallTime>, name: &str, make: impl Fn() -> E)
    where
        E: Exchange + Clone + Send;

    /// A service that cannot be cloned has rows on one thread only.
    #[cfg(feature = "peers")]
    fn run_alone<E: Exchange>(&self, _: &mut BenchmarkGroup<'_, WallTime>, _: &str, _: impl Fn() -> E) {}
}

struct OneThread;

impl OneThread {
    fn run<E: Exchange>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, mut service: E) {
        group.bench_function(name, |bencher| bencher.iter(|| service.exchange()));
    }
}

impl Row for OneThread {
    fn run<E>(&self, group: &mut BenchmarkGroup<'_, WallTime>, name: &str, make: impl Fn() -> E)
    where
        E: Exchange + Clone + Send,
    {
        Self::run(group, name, make());
    }

    #[cfg(feature = "peers")]
    fn run_alone<E: Exchange>(
        &self,
        group: &mut BenchmarkGroup<'_, WallTime>,
        name: &str,
        make: impl Fn() -> E,
    ) {
        Self::run(group, name, make());
    }
}

struct TwoThreads;

impl Row for TwoThreads {
    fn run<E>(&self, group: &mut BenchmarkGroup<'_, WallTime>, name: &str, make: impl Fn() -> E)
    where
        E: Exchange + Clone + Send,
    {
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

fn all(criterion: &mut Criterion, name: &str, row: &impl Row) {
    http(&mut criterion.benchmark_group(format!("breaker/http, {name}")), row);
    calls(&mut criterion.benchmark_group(format!("breaker/calls, {name}")), row);
}

pub(crate) fn run() {
    let mut criterion = Criterion::default().configure_from_args();
    all(&mut criterion, "one thread", &OneThread);
    all(&mut criterion, "two threads", &TwoThreads);
    criterion.final_summary();
}
