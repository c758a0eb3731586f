//! What an exchange allocates. In a file of its own: the counting allocator is the whole program's.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    convert::Infallible,
    future::{Ready, ready},
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use allocation_counter::measure;
use bytes::Bytes;
use dashpot_warm::{
    Handle, WarmLayer,
    policy::Always,
    starter::{Functions, StartError},
};
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::Empty;
use tower::{Layer, Service, service_fn};

/// Ready frames that cost nothing to make.
struct Frames(u32);

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.checked_sub(1).map(|left| {
            self.0 = left;
            Ok(Frame::data(Bytes::from_static(b"data: x\n\n")))
        }))
    }
}

fn answer(_: Request<Empty<Bytes>>) -> Ready<Result<Response<Frames>, Infallible>> {
    ready(Ok(Response::new(Frames(100))))
}

/// The allocations of a call and of reading its answer.
fn count<S, B>(mut service: S) -> u64
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>, Error = Infallible>,
    B: Body<Data = Bytes, Error = Infallible>,
{
    let mut cx = Context::from_waker(Waker::noop());
    let mut request = Some(Request::new(Empty::new()));
    measure(|| {
        assert!(service.poll_ready(&mut cx).is_ready());
        let mut future = pin!(service.call(request.take().unwrap()));
        let Poll::Ready(Ok(answer)) = future.as_mut().poll(&mut cx) else { panic!("not ready") };
        let mut body = pin!(answer.into_body());
        while let Poll::Ready(Some(_)) = body.as_mut().poll_frame(&mut cx) {}
    })
    .count_total
}

async fn warm(handle: &Handle) {
    handle.warm();
    assert!(handle.subscribe().ready().await);
    tokio::time::sleep(Duration::from_secs(20)).await;
}

fn layer() -> WarmLayer {
    WarmLayer::new(Functions::new(|_| async { Ok::<_, StartError>(()) })).policy(Always)
}

#[tokio::test(start_paused = true)]
async fn an_exchange_with_a_warm_upstream_allocates_nothing_of_its_own() {
    let bare = count(service_fn(answer));
    let plain = layer();
    let keyed = layer().keyed(4, |head| (head.uri().path() == "/").then(|| "model-a".into()));
    warm(&plain.handle()).await;
    warm(&keyed.keyed_handle().get_or_make("model-a").unwrap()).await;
    for layer in [plain, keyed] {
        // The first one finds it idle.
        count(layer.layer(service_fn(answer)));
        for _ in 0..100 {
            assert_eq!(count(layer.layer(service_fn(answer))), bare);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn neither_does_one_that_finds_it_idle() {
    let layer = layer();
    warm(&layer.handle()).await;
    count(layer.layer(service_fn(answer)));
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(count(layer.layer(service_fn(answer))), 0);
    }
}
