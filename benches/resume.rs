//! What it takes that a stream can be resumed: with its task, on a runtime of one thread; and what a client takes that
//! comes back.
//!
//! `cargo bench --bench resume`. The service under the layer is always ready and so are its frames, each one event of a chat
//! completion, so that the task and the client take turns as fast as they can.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    hint::black_box,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use criterion::{Criterion, Throughput};
use dashpot::sse::resume::{Memory, MemoryStore, ResumeLayer};
use http::{HeaderValue, Request, Response, Uri, header};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tower::{Layer, Service};

const EVENT: &[u8] = b"data: {\"id\":\"chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG\",\"object\":\"chat.completion.chunk\",\
    \"created\":1741570283,\"model\":\"gpt-4o-2024-08-06\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"},\
    \"logprobs\":null,\"finish_reason\":null}]}\n\n";

/// So many events, all of them ready.
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
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(EVENT)))))
    }
}

#[derive(Clone, Copy)]
struct Upstream(u32);

impl Service<Request<()>> for Upstream {
    type Response = Response<Events>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Events>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        let mut response = Response::new(Events(self.0));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        ready(Ok(response))
    }
}

fn request(last: Option<&HeaderValue>) -> Request<()> {
    let mut request = Request::new(());
    *request.uri_mut() = Uri::from_static("/v1/chat/completions");
    request.headers_mut().insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer x"));
    if let Some(last) = last {
        request.headers_mut().insert("last-event-id", last.clone());
    }
    request
}

/// One exchange to its end; its first frame.
async fn exchange<S, B>(mut service: S, last: Option<&HeaderValue>) -> Bytes
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible>,
    B: Body<Data = Bytes, Error: std::fmt::Debug>,
{
    let Ok(answer) = service.call(request(last)).await;
    let mut body = pin!(answer.into_body());
    let mut first = Bytes::new();
    while let Some(frame) = body.frame().await {
        let data = frame.expect("it is whole").into_data().unwrap_or_default();
        if first.is_empty() {
            first = data;
        } else {
            black_box(&data);
        }
    }
    first
}

fn layer() -> ResumeLayer {
    // What is over is forgotten at once, or the store would be full after a thousand streams.
    let bounds = Memory { age: Duration::ZERO, ..Memory::default() };
    ResumeLayer::new(MemoryStore::try_new(bounds).expect("they make sense"))
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime without I/O needs nothing");
    let mut criterion = Criterion::default().configure_from_args();
    for events in [1, 100] {
        let mut group = criterion.benchmark_group(format!("resume/{events} events"));
        group.throughput(Throughput::Elements(events.into()));
        group.bench_function("bare service", |bencher| {
            bencher.iter(|| runtime.block_on(exchange(Upstream(events), None)));
        });
        let service = layer().layer(Upstream(events));
        group.bench_function("Resume", |bencher| {
            bencher.iter(|| runtime.block_on(exchange(service.clone(), None)));
        });
        let store = MemoryStore::try_new(Memory::default()).expect("they make sense");
        let service = ResumeLayer::new(store).layer(Upstream(events + 1));
        let first = runtime.block_on(exchange(service.clone(), None));
        let line = first.split(|&byte| byte == b'\n').next().and_then(|line| line.strip_prefix(b"id: "));
        let last = HeaderValue::from_bytes(line.expect("it has an id")).expect("it is a value");
        group.bench_function("Resume, who comes back", |bencher| {
            bencher.iter(|| runtime.block_on(exchange(service.clone(), Some(&last))));
        });
    }
    criterion.final_summary();
}
