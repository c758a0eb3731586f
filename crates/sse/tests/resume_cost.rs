//! What it costs that a stream can be resumed. In a file of its own: the counting allocator is the whole program's.

#![cfg(feature = "resume")]
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    convert::Infallible,
    future::{Ready, ready},
    pin::Pin,
    task::{Context, Poll},
};

use allocation_counter::{AllocationInfo, measure};
use bytes::Bytes;
use dashpot_sse::resume::{Memory, MemoryStore, ResumeLayer};
use http::{HeaderValue, Request, Response, Uri, header};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tower::{Layer, Service, service_fn};

/// So many frames of one event, which cost nothing to make.
struct Events(u32, Bytes);

const EVENT: &[u8] = b"data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\
    \"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"},\"finish_reason\":null}]}\n\n";

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.checked_sub(1).map(|left| {
            self.0 = left;
            Ok(Frame::data(self.1.clone()))
        }))
    }
}

type Answer = Ready<Result<Response<Events>, Infallible>>;

fn answer(kind: &'static str, events: u32, event: Bytes) -> impl FnMut(Request<()>) -> Answer {
    move |_| {
        let mut answer = Response::new(Events(events, event.clone()));
        answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        ready(Ok(answer))
    }
}

/// One exchange, read to its end.
async fn exchange<S, B>(mut service: S)
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible>,
    B: Body<Data = Bytes, Error: std::fmt::Debug> + Unpin,
{
    let mut request = Request::new(());
    // Shared, as hyper's are.
    *request.uri_mut() = Uri::from_static("/v1/chat/completions");
    request.headers_mut().insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer x"));
    let mut body = service.call(request).await.unwrap().into_body();
    while let Some(frame) = body.frame().await {
        frame.unwrap();
    }
}

fn block_on<F: Future>(runtime: &tokio::runtime::Runtime, future: F) -> AllocationInfo {
    measure(|| {
        runtime.block_on(future);
    })
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

fn layer() -> ResumeLayer {
    ResumeLayer::new(MemoryStore::try_new(Memory::default()).unwrap())
}

#[test]
fn an_event_costs_little_and_what_is_no_stream_nothing() {
    let (runtime, layer) = (runtime(), layer());
    let stream =
        |events, event| exchange(layer.layer(service_fn(answer("text/event-stream", events, event))));
    let (small, large) = (Bytes::from_static(EVENT), Bytes::from(format!("data: {}\n\n", "x".repeat(1000))));
    // What is made once: the store's table, its queue, and the task that waits.
    block_on(&runtime, stream(10, small.clone()));

    let bare = block_on(&runtime, exchange(service_fn(answer("text/event-stream", 1, small.clone()))));
    let one = block_on(&runtime, stream(1, small.clone()));
    let per_event = |event: Bytes| {
        let [few, many] =
            [101, 1101].map(|events| block_on(&runtime, stream(events, event.clone())).count_total);
        (many - few) as f64 / 1000.0
    };
    let (of_small, of_large) = (per_event(small), per_event(large));
    println!(
        "{} allocations per stream, {of_small} per event of {} bytes, {of_large} per event of 1000",
        one.count_total - bare.count_total,
        EVENT.len()
    );
    assert!(of_small < 0.2 && of_large <= 2.1, "{of_small} {of_large}");
    assert!(one.count_total - bare.count_total <= 20);

    let bare = block_on(&runtime, exchange(service_fn(answer("text/plain", 10, Bytes::from_static(EVENT)))));
    let with = block_on(
        &runtime,
        exchange(layer.layer(service_fn(answer("text/plain", 10, Bytes::from_static(EVENT))))),
    );
    assert_eq!(with.count_total, bare.count_total);
}

#[test]
fn streams_take_no_more_than_the_store_says() {
    for (events, bytes) in
        [(1, 9), (20, 130), (300, 130), (3000, 9), (3000, 130), (900, 450), (900, 460), (900, 2100)]
    {
        let (runtime, store) = (runtime(), MemoryStore::try_new(Memory::default()).unwrap());
        let layer = ResumeLayer::new(store.clone());
        let event = Bytes::from(format!("data: {}\n\n", "x".repeat(bytes - 8)));
        let all = async {
            for _ in 0..100 {
                exchange(layer.layer(service_fn(answer("text/event-stream", events, event.clone())))).await;
            }
            // Their tasks see the end after their clients.
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        };
        let held = block_on(&runtime, all).bytes_current;
        println!(
            "{events} events of {bytes} bytes: a stream that is over takes {} bytes, and is counted as {}",
            held / 100,
            store.bytes() / 100
        );
        assert_eq!(store.streams(), 100);
        assert!(held > 0 && held as usize <= store.bytes(), "{held} of {}", store.bytes());
    }
}
