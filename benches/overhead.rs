//! What each layer adds to one exchange, beside what its peers add: the call, and the body to its end.
//!
//! `cargo bench --bench overhead --features peers` runs all rows; without `peers` only our own. With
//! `--features peers,allocations` it prints allocations and the size of a stream's state instead: a counting allocator
//! would slow down whoever allocates, so both are never done at once.
//!
//! The service under the layers is always ready and so are its frames, each one event of a chat completion, so what is
//! measured is the layers and not a runtime.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    hint::black_box,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use dashpot::{
    body::{Guarded, ReleaseAt},
    breaker::BreakerLayer,
    cache::{CacheLayer, MemoryStore, RequestBody},
    core::Tenant,
    deadline::DeadlineLayer,
    limit::{LimitLayer, policy::Fixed},
    sse::{HeartbeatLayer, Mode, ModeLayer, PeekFirstLayer, SsePassthroughLayer},
    warm::{
        WarmLayer,
        policy::Always,
        starter::{Functions, StartError},
    },
};
use futures_util::FutureExt;
use http::{HeaderValue, Method, Request, Response, header};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full};
use tower::{BoxError, Layer, Service, ServiceExt, service_fn, timeout::Timeout};
use tower_http::timeout::ResponseBodyTimeoutLayer;

const EVENT: &[u8] = b"data: {\"id\":\"chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG\",\"object\":\"chat.completion.chunk\",\
    \"created\":1741570283,\"model\":\"gpt-4o-2024-08-06\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"},\
    \"logprobs\":null,\"finish_reason\":null}]}\n\n";
const DONE: &[u8] = b"data: [DONE]\n\n";

const MINUTE: Duration = Duration::from_secs(60);

/// So many events, and the marker, all of them ready.
struct Events(u32);

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(left) = self.0.checked_sub(1) else { return Poll::Ready(None) };
        self.0 = left;
        let event = if left == 0 { DONE } else { EVENT };
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(event)))))
    }
}

#[derive(Clone, Copy)]
struct Upstream {
    events: u32,
}

impl Service<Request<Empty<Bytes>>> for Upstream {
    type Response = Response<Events>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Events>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Empty<Bytes>>) -> Self::Future {
        let mut response = Response::new(Events(self.events + 1));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        ready(Ok(response))
    }
}

fn request() -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = http::Uri::from_static("/v1/chat/completions");
    request
}

/// The same as a client sends it that wants an answer in this mode.
fn wanting(mode: Mode) -> impl Fn(Request<Empty<Bytes>>) -> Request<Full<Bytes>> {
    let body: &[u8] = match mode {
        Mode::Stream => br#"{"model":"gpt-4o","messages":[{"role":"user","content":"Why?"}],"stream":true}"#,
        Mode::Whole => br#"{"model":"gpt-4o","messages":[{"role":"user","content":"Why?"}]}"#,
    };
    move |request| request.map(|_| Full::from(body))
}

fn call<B>(
    service: &mut impl Service<Request<Empty<Bytes>>, Response = Response<B>, Error = Infallible>,
) -> B {
    // Some take their slot here and not in the call.
    assert!(service.poll_ready(&mut Context::from_waker(Waker::noop())).is_ready());
    let Some(Ok(response)) = service.call(request()).now_or_never() else { panic!("not ready") };
    response.into_body()
}

/// Reads a body as a server does; how many frames it had.
fn read<B: Body<Data = Bytes>>(body: B) -> u64 {
    let (mut body, mut frames) = (pin!(body), 0);
    let mut cx = Context::from_waker(Waker::noop());
    while let Poll::Ready(Some(Ok(frame))) = body.as_mut().poll_frame(&mut cx) {
        black_box(&frame);
        frames += 1;
        if body.is_end_stream() {
            break;
        }
    }
    frames
}

/// Runs `row` for each service under test.
fn rows(events: u32, warm: &WarmLayer, row: &mut impl Row) {
    let upstream = Upstream { events };
    row.run("bare service", upstream);
    row.run(
        "Guarded",
        upstream.map_response(|response| {
            let guard = |end| {
                black_box(end);
            };
            Guarded::response(&Method::POST, response, guard, ReleaseAt::FirstByte)
        }),
    );
    row.run("SsePassthrough", SsePassthroughLayer::new().layer(upstream));
    // Without a dialect events are framed, and nothing in them is read.
    let plain = |mut request: Request<Empty<Bytes>>| {
        *request.uri_mut() = http::Uri::from_static("/");
        request
    };
    row.run("SsePassthrough, plain events", SsePassthroughLayer::new().layer(upstream).map_request(plain));
    row.run("Heartbeat", HeartbeatLayer::new(MINUTE).layer(upstream));
    row.run("PeekFirst", PeekFirstLayer::new(MINUTE, 16 << 10).layer(upstream));
    let modes = ModeLayer::new(8 << 20).upstream(Mode::Stream);
    let heard = upstream.map_request(|request: Request<Full<Bytes>>| request.map(|_| Empty::new()));
    row.run("Mode, streams as they are", modes.layer(heard.clone()).map_request(wanting(Mode::Stream)));
    row.run("Mode, streams made whole", modes.layer(heard).map_request(wanting(Mode::Whole)));
    #[cfg(feature = "peers")]
    row.run("eventsource-stream and axum Sse", upstream.map_response(peers::parse_and_write));
    let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3600));
    let deadline = DeadlineLayer::new().first_content(minute).gap(minute).total(hour);
    row.run("Deadline, three clocks", deadline.layer(upstream));
    // The one of the head only, the other of the body only, and anew for each frame.
    row.run("tower Timeout", Timeout::new(upstream, hour).map_err(unreachable));
    row.run("tower-http TimeoutBody", ResponseBodyTimeoutLayer::new(minute).layer(upstream));
    row.run("Limit", LimitLayer::new().layer(upstream));
    row.run("Limit, fixed", LimitLayer::with_policy(Fixed::new(100)).layer(upstream));
    row.run("Breaker", BreakerLayer::new().layer(upstream));
    row.run("Warm", warm.layer(upstream));
    row.run("Cache, exact hit", kept().map_request(wanting(Mode::Whole)));
    #[cfg(feature = "peers")]
    {
        row.run("tower ConcurrencyLimit", limits::tower(upstream, 100));
        row.run("tower-acc Vegas", limits::acc(upstream));
        row.run("tower-resilience-adaptive Vegas", limits::resilience(upstream).map_err(limits::inner_error));
    }
}

fn unreachable(error: BoxError) -> Infallible {
    panic!("{error}")
}

/// Timers belong to a runtime, which need not run.
fn runtime() -> tokio::runtime::Runtime {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime without I/O needs nothing")
}

/// A layer whose upstream is warm, and in use from the first request on: its task does not run any more.
async fn warm() -> WarmLayer {
    let starter = Functions::new(|_| async { Ok::<_, StartError>(()) });
    let layer = WarmLayer::new(starter).policy(Always).ramp(Duration::ZERO, 1, 1);
    layer.handle().warm();
    assert!(layer.handle().subscribe().ready().await, "nothing keeps it from that");
    layer
}

/// A cache that has the answer to the one question already, with as many words as are in its one event.
fn kept() -> impl Service<
    Request<Full<Bytes>>,
    Response = Response<impl Body<Data = Bytes, Error: std::fmt::Debug>>,
    Error = Infallible,
> {
    let answer = service_fn(|_: Request<RequestBody<Full<Bytes>>>| {
        let answer = r#"{"choices":[{"message":{"role":"assistant","content":"word"},"finish_reason":"stop"}],"usage":{}}"#;
        let mut answer = Response::new(Full::<Bytes>::from(answer));
        answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        ready(Ok(answer))
    });
    let cache = CacheLayer::new(MemoryStore::new(1 << 20), |_| Tenant::new("acme"));
    let handle = cache.handle();
    let mut service = cache.layer(answer);
    runtime().block_on(async {
        for _ in 0..2 {
            let asked = service.call(wanting(Mode::Whole)(request())).await;
            let Ok(_) = asked.expect("it answers").into_body().collect().await else { panic!("it is whole") };
            // It is kept beside the answer.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert_eq!(handle.stats().exact, 1, "the second is a hit");
    service
}

trait Row {
    fn run<S, B>(&mut self, name: &str, service: S)
    where
        S: Service<Request<Empty<Bytes>>, Response = Response<B>, Error = Infallible>,
        B: Body<Data = Bytes>;
}

#[cfg(feature = "peers")]
#[path = "limiter_real/peers.rs"]
mod limits;

#[cfg(feature = "peers")]
mod peers {
    use axum::response::{IntoResponse, Sse, sse::Event};
    use eventsource_stream::Eventsource;
    use futures_util::StreamExt;
    use http_body_util::BodyDataStream;

    use super::{Events, Response};

    /// What a proxy does that reads events and writes them again.
    pub(crate) fn parse_and_write(response: Response<Events>) -> Response<axum::body::Body> {
        let events = BodyDataStream::new(response.into_body()).eventsource();
        Sse::new(events.map(|event| event.map(|event| Event::default().data(event.data)))).into_response()
    }
}

#[cfg(not(feature = "allocations"))]
fn main() {
    use criterion::{Criterion, Throughput};

    struct Time<'c>(criterion::BenchmarkGroup<'c, criterion::measurement::WallTime>);

    impl Row for Time<'_> {
        fn run<S, B>(&mut self, name: &str, mut service: S)
        where
            S: Service<Request<Empty<Bytes>>, Response = Response<B>, Error = Infallible>,
            B: Body<Data = Bytes>,
        {
            self.0.bench_function(name, |bencher| {
                bencher.iter(|| {
                    let body = call(&mut service);
                    read(body)
                });
            });
        }
    }

    let runtime = runtime();
    let warm = runtime.block_on(warm());
    let _entered = runtime.enter();
    let mut criterion = Criterion::default().configure_from_args();
    for events in [1, 100] {
        let mut group = criterion.benchmark_group(format!("overhead/{events} events"));
        group.throughput(Throughput::Elements(events.into()));
        rows(events, &warm, &mut Time(group));
    }
    criterion.final_summary();
}

#[cfg(feature = "allocations")]
#[allow(clippy::print_stdout, reason = "the report of a bench")]
fn main() {
    use allocation_counter::measure;

    struct Count;

    impl Row for Count {
        fn run<S, B>(&mut self, name: &str, mut service: S)
        where
            S: Service<Request<Empty<Bytes>>, Response = Response<B>, Error = Infallible>,
            B: Body<Data = Bytes>,
        {
            // What is made once, such as tracing's callsites.
            read(call(&mut service));
            let mut body = None;
            let called = measure(|| body = Some(call(&mut service)));
            let Some(body) = body else { return };
            let mut frames = 0;
            let streamed = measure(|| frames = read(body));
            let per_frame = streamed.count_total as f64 / frames as f64;
            // The body itself, what it holds, and the most that it allocates on the way.
            let heap = called.bytes_current + streamed.bytes_max as i64;
            println!(
                "{name:32} {:3} allocations per call, {per_frame:6.2} per frame; {:5} bytes per stream",
                called.count_total,
                size_of::<B>() as i64 + heap,
            );
        }
    }

    let runtime = runtime();
    let warm = runtime.block_on(warm());
    let _entered = runtime.enter();
    rows(1000, &warm, &mut Count);
}
