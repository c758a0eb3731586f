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

/// Events that cost nothing to make.
struct Events(u32);

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        const EVENT: &[u8] = b"data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\
            \"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"},\"finish_reason\":null}]}\n\n";
        Poll::Ready(self.0.checked_sub(1).map(|left| {
            self.0 = left;
            Ok(Frame::data(Bytes::from_static(EVENT)))
        }))
    }
}

type Answer = Ready<Result<Response<Events>, Infallible>>;

fn answer(kind: &'static str, events: u32) -> impl FnMut(Request<()>) -> Answer {
    move |_| {
        let mut answer = Response::new(Events(events));
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
    let stream = |events| exchange(layer.layer(service_fn(answer("text/event-stream", events))));
    // What is made once: the store's table, its queue, and the task that waits.
    block_on(&runtime, stream(10));

    let bare = block_on(&runtime, exchange(service_fn(answer("text/event-stream", 1))));
    let (one, few, many) =
        (block_on(&runtime, stream(1)), block_on(&runtime, stream(101)), block_on(&runtime, stream(1101)));
    let per_event = (many.count_total - few.count_total) as f64 / 1000.0;
    println!("{} allocations per stream, {per_event} per event", one.count_total - bare.count_total);
    assert!(per_event < 0.2, "{per_event}");
    assert!(one.count_total - bare.count_total <= 24);

    let bare = block_on(&runtime, exchange(service_fn(answer("text/plain", 10))));
    let with = block_on(&runtime, exchange(layer.layer(service_fn(answer("text/plain", 10)))));
    assert_eq!(with.count_total, bare.count_total);
}

#[test]
fn streams_take_no_more_than_the_store_says() {
    for events in [1, 20, 300, 3000] {
        let (runtime, store) = (runtime(), MemoryStore::try_new(Memory::default()).unwrap());
        let layer = ResumeLayer::new(store.clone());
        let all = async {
            for _ in 0..200 {
                exchange(layer.layer(service_fn(answer("text/event-stream", events)))).await;
            }
            // Their tasks see the end after their clients.
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        };
        let held = block_on(&runtime, all).bytes_current;
        println!(
            "{events} events: a stream that is over takes {} bytes, and is counted as {}",
            held / 200,
            store.bytes() / 200
        );
        assert_eq!(store.streams(), 200);
        assert!(held > 0 && held as usize <= store.bytes(), "{held} of {}", store.bytes());
    }
}
