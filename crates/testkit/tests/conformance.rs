//! The conformance checks pass a layer that does everything right, and catch each mistake by name.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use dashpot_testkit::{
    body::{BodyError, Scripted},
    conformance::{Conformance, Inner, InnerError, check},
};
use futures_util::{FutureExt, future::BoxFuture};
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use tower::{Service, limit::ConcurrencyLimit};

/// What [`Flawed`] does wrong.
#[derive(Clone, Copy, PartialEq)]
enum Flaw {
    Nothing,
    CallsAClone,
    SaysReady,
    IgnoresLength,
    DropsTrailers,
    HidesTheEnd,
    PollsOn,
    SwallowsErrors,
    ForgetsOnDrop,
    CountsToNone,
    CountsReadiness,
    CountsFromTheCallByHand,
    KeepsInnerAlive,
    ChangesFrames,
}

/// A layer that counts what is in flight, with one flaw.
#[derive(Clone)]
struct Flawed {
    inner: Inner,
    flaw: Flaw,
    count: Arc<AtomicU64>,
}

impl Service<Request<Full<Bytes>>> for Flawed {
    type Response = Response<FlawedBody>;
    type Error = InnerError;
    type Future = BoxFuture<'static, Result<Self::Response, InnerError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), InnerError>> {
        if self.flaw == Flaw::SaysReady {
            return Poll::Ready(Ok(()));
        }
        ready!(self.inner.poll_ready(cx))?;
        if self.flaw == Flaw::CountsReadiness {
            self.count.fetch_add(1, Relaxed);
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        let (flaw, count) = (self.flaw, self.count.clone());
        let future = match flaw {
            Flaw::CallsAClone => self.inner.clone().call(request).boxed(),
            Flaw::SaysReady => tower::ServiceExt::oneshot(self.inner.clone(), request).boxed(),
            _ => self.inner.call(request).boxed(),
        };
        if flaw == Flaw::CountsFromTheCallByHand {
            count.fetch_add(1, Relaxed);
            return async move {
                let response = future.await;
                count.fetch_sub(1, Relaxed);
                Ok(response?.map(|body| FlawedBody { inner: body, flaw, guard: None }))
            }
            .boxed();
        }
        let guard = Guard::new(count, flaw == Flaw::ForgetsOnDrop);
        async move {
            let body = future.await?;
            Ok(body.map(|inner| {
                let over = inner.is_end_stream() && flaw != Flaw::CountsToNone;
                FlawedBody { inner, flaw, guard: (!over).then_some(guard) }
            }))
        }
        .boxed()
    }
}

struct Guard(Arc<AtomicU64>, bool);

impl Guard {
    fn new(count: Arc<AtomicU64>, leaks: bool) -> Self {
        count.fetch_add(1, Relaxed);
        Self(count, leaks)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.1 {
            self.0.fetch_sub(1, Relaxed);
        }
    }
}

struct FlawedBody {
    inner: Scripted,
    flaw: Flaw,
    guard: Option<Guard>,
}

impl Body for FlawedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let inner = &mut this.inner;
        let mut frame = ready!(Pin::new(&mut *inner).poll_frame(cx));
        match (&frame, this.flaw) {
            (Some(Ok(last)), Flaw::DropsTrailers) if last.is_trailers() => frame = None,
            (Some(Err(_)), Flaw::SwallowsErrors) => frame = None,
            (Some(Ok(part)), Flaw::ChangesFrames) => {
                let data = part.data_ref().map(|data| Bytes::from([data, &b" "[..]].concat()));
                frame = data.map(|data| Ok(Frame::data(data)));
            }
            (None, Flaw::PollsOn) => {
                let _ = Pin::new(&mut *inner).poll_frame(cx);
            }
            _ => {}
        }
        let over = inner.is_end_stream() && this.flaw != Flaw::CountsToNone;
        if over || !matches!(frame, Some(Ok(_))) {
            if let (Flaw::ForgetsOnDrop, Some(guard)) = (this.flaw, &mut this.guard) {
                guard.1 = false;
            }
            this.guard = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.flaw != Flaw::HidesTheEnd && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.flaw {
            Flaw::IgnoresLength => SizeHint::default(),
            _ => self.inner.size_hint(),
        }
    }
}

impl Drop for FlawedBody {
    fn drop(&mut self) {
        if self.flaw == Flaw::KeepsInnerAlive {
            // As a layer does that reads the body in a task of its own.
            let inner = std::mem::take(&mut self.inner);
            tokio::spawn(async move {
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                drop(inner);
            });
        }
    }
}

async fn run(flaw: Flaw) {
    let count = Arc::new(AtomicU64::new(0));
    let in_flight = {
        let count = count.clone();
        move || count.load(Relaxed)
    };
    Conformance::new(|inner| Flawed { inner, flaw, count: count.clone() }).in_flight(in_flight).check().await;
}

#[tokio::test(start_paused = true)]
async fn what_does_everything_right_passes() {
    check(|inner| inner).await;
    run(Flaw::Nothing).await;
}

/// The message of the panic with which `checks` end.
async fn complaint(checks: impl Future<Output = ()>) -> String {
    let payload = std::panic::AssertUnwindSafe(checks).catch_unwind().await.expect_err("nothing was found");
    payload.downcast_ref::<String>().expect("a message").clone()
}

#[tokio::test(start_paused = true)]
async fn every_mistake_is_caught_by_name() {
    for (flaw, name, words) in [
        (Flaw::CallsAClone, "readiness", "called without readiness"),
        (Flaw::SaysReady, "readiness is the inner service's", "ready though the inner service is not"),
        (Flaw::CountsReadiness, "readiness", "in flight"),
        (Flaw::CountsFromTheCallByHand, "cancel before the first poll", "1 in flight"),
        (Flaw::ForgetsOnDrop, "cancel before the first poll", "1 in flight"),
        (Flaw::KeepsInnerAlive, "cancel with the body unread", "the inner body is still there"),
        (Flaw::HidesTheEnd, "end by length", "is_end_stream is lost"),
        (Flaw::CountsToNone, "end by length", "1 in flight when is_end_stream"),
        (Flaw::PollsOn, "end by None", "polled after its end"),
        (Flaw::DropsTrailers, "end by trailers", "the end comes early"),
        (Flaw::SwallowsErrors, "error in mid-body", "the error is lost"),
        (Flaw::IgnoresLength, "size hint", "bytes are left"),
        (Flaw::ChangesFrames, "cancel with the body half read", "the first frame has changed"),
    ] {
        let complaint = complaint(run(flaw)).await;
        assert!(complaint.starts_with(&format!("conformance: {name} (Plain): ")), "{complaint}");
        assert!(complaint.contains(words), "{complaint}");
    }
}

#[tokio::test(start_paused = true)]
async fn towers_concurrency_limit_is_caught_holding_slots_for_idle_clones() {
    let checks = check(|inner| ConcurrencyLimit::new(inner, 8));
    let complaint = complaint(checks).await;
    assert!(
        complaint.starts_with("conformance: ready clones hold nothing (Plain): readiness: nothing"),
        "{complaint}"
    );
}
