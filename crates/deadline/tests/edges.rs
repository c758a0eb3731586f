//! Where a clock or its words could be wrong: after the end, beside a reader, behind a stated encoding.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Mutex,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use dashpot_core::{BodyReport, Outcome};
use dashpot_deadline::{BodyError, DeadlineLayer};
use dashpot_testkit::body::{BodyError as Broken, Scripted};
use http::{HeaderMap, HeaderName, Request, Response, response::Builder};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty};
use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

type Ask = Request<Empty<Bytes>>;

fn chat() -> Ask {
    Request::post("/v1/chat/completions").body(Empty::new()).unwrap()
}

fn of(kind: &str) -> Builder {
    Response::builder().header("content-type", kind)
}

/// The body as it comes out of the layer.
async fn through<B>(
    layer: DeadlineLayer,
    request: Ask,
    answer: Response<B>,
) -> impl Body<Data = Bytes, Error = BodyError<B::Error>> + Unpin
where
    B: Body<Data = Bytes> + Unpin,
{
    let answer = Mutex::new(Some(answer));
    let upstream =
        service_fn(|_: Ask| std::future::ready(Ok::<_, Infallible>(answer.lock().unwrap().take().unwrap())));
    layer.layer(upstream).oneshot(request).await.unwrap().into_body()
}

/// The text of a body, and how it was cut.
async fn read(
    mut body: impl Body<Data = Bytes, Error = BodyError<Broken>> + Unpin,
) -> (String, Option<BodyError<Broken>>) {
    let mut text = String::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => text += std::str::from_utf8(&frame.into_data().unwrap_or_default()).unwrap(),
            Err(error) => return (text, Some(error)),
        }
    }
    (text, None)
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_always_has_more_is_over_in_time_too() {
    let body = (0..100).fold(Scripted::new(), |body, _| body.data("data: 1\n\n"));
    let answer = of("text/event-stream").body(body).unwrap();
    let mut body = through(DeadlineLayer::new().total(3 * SECOND), chat(), answer).await;
    let begun = Instant::now();
    // The client takes one each second, and the upstream never lets it wait.
    while body.frame().await.is_some_and(|frame| frame.is_ok()) {
        sleep(SECOND).await;
    }
    let took = Instant::now().saturating_duration_since(begun);
    assert!(took <= 5 * SECOND, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_said_after_a_stream_that_has_said_its_end() {
    for (path, last) in [
        ("/v1/chat/completions", "data: [DONE]\n\n"),
        ("/v1/messages", "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"),
    ] {
        let request = Request::post(path).body(Empty::new()).unwrap();
        let report = BodyReport::default();
        report.set_outcome(Outcome::Success);
        let answer = of("text/event-stream").extension(report.clone());
        let answer = answer.body(Scripted::new().data(last).forever()).unwrap();
        let body = through(DeadlineLayer::new().total(SECOND), request, answer).await;
        assert_eq!(read(body).await.0, last, "{path}");
        assert_eq!(report.outcome(), Some(Outcome::Success), "it was complete");
    }
}

#[tokio::test(start_paused = true)]
async fn trailers_come_once() {
    let said = HeaderMap::from_iter([(HeaderName::from_static("grpc-status"), 0.into())]);
    let answer = of("application/grpc").body(Scripted::new().data("message").trailers(said).forever());
    let mut body = through(DeadlineLayer::new().total(SECOND), chat(), answer.unwrap()).await;
    let mut trailers = 0;
    while let Some(frame) = body.frame().await {
        trailers += usize::from(frame.is_ok_and(|frame| frame.is_trailers()));
    }
    assert_eq!(trailers, 1);
}

#[tokio::test(start_paused = true)]
async fn an_encoding_that_is_none_hides_no_pings() {
    let pings = (0..9).fold(Scripted::new(), |body, _| body.data(": x\n\n").wait(SECOND));
    let answer = of("text/event-stream").header("content-encoding", "identity").body(pings).unwrap();
    let (text, cut) = read(through(DeadlineLayer::new().gap(3 * SECOND), chat(), answer).await).await;
    assert!(cut.is_none() && text.contains("stopped in the middle"), "{text} {cut:?}");
}

#[tokio::test(start_paused = true)]
async fn a_time_that_the_client_chose_is_no_overload() {
    let name = HeaderName::from_static("x-timeout-ms");
    let mut request = chat();
    request.headers_mut().insert(name.clone(), 500.into());
    let report = BodyReport::default();
    let answer = of("text/event-stream").extension(report.clone()).body(Scripted::new().forever()).unwrap();
    let layer = DeadlineLayer::new().total(SECOND).header(name);
    read(through(layer, request, answer).await).await;
    assert_ne!(report.outcome(), Some(Outcome::Overload { retry_after: None }));
}

/// A body that says it will not be longer than this, though not how long it is.
struct AtMost(Scripted, u64);

impl Body for AtMost {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = SizeHint::new();
        hint.set_upper(self.1);
        hint
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_never_longer_than_its_size_hint() {
    let answer = of("text/event-stream").body(AtMost(Scripted::new().data("data: 1\n\n").forever(), 9));
    let body = through(DeadlineLayer::new().total(SECOND), chat(), answer.unwrap()).await;
    let upper = body.size_hint().upper();
    let (text, cut) = read(body).await;
    assert!(upper.is_none_or(|upper| text.len() as u64 <= upper), "{upper:?} {text} {cut:?}");
}
