//! Which clock runs out when, and what is said then: to the millisecond, on paused time.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{convert::Infallible, sync::Mutex, time::Duration};

use bytes::Bytes;
use dashpot_core::{Arrival, Deadline, Rejection};
use dashpot_deadline::{BodyError, Clock, DeadlineLayer, Late};
use dashpot_testkit::body::{BodyError as Broken, Scripted};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Empty};
use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt, service_fn};

const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";

type Ask = Request<Empty<Bytes>>;

fn post(path: &str) -> Ask {
    Request::post(path).body(Empty::new()).unwrap()
}

fn events(body: Scripted) -> Response<Scripted> {
    Response::builder().header("content-type", "text/event-stream").body(body).unwrap()
}

fn grpc(body: Scripted) -> Response<Scripted> {
    Response::builder().header("content-type", "application/grpc").body(body).unwrap()
}

/// What came of an exchange, and when, in milliseconds since it began.
#[derive(Debug, PartialEq)]
struct Came {
    status: StatusCode,
    head: u128,
    text: String,
    grpc_status: Option<HeaderValue>,
    cut: Option<BodyError<Broken>>,
    end: u128,
}

/// An exchange whose head comes after this time.
async fn exchange(layer: DeadlineLayer, request: Ask, head: Duration, answer: Response<Scripted>) -> Came {
    let begun = Instant::now();
    let millis = || Instant::now().saturating_duration_since(begun).as_millis();
    let answer = Mutex::new(Some(answer));
    let upstream = service_fn(|_: Ask| {
        let answer = answer.lock().unwrap().take().unwrap();
        async move {
            sleep(head).await;
            Ok::<_, Infallible>(answer)
        }
    });
    let answer = layer.layer(upstream).oneshot(request).await.unwrap();
    let (status, head) = (answer.status(), millis());
    let mut grpc_status = answer.headers().get("grpc-status").cloned();
    let (mut text, mut cut) = (String::new(), None);
    let mut body = answer.into_body();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => match frame.into_data() {
                Ok(data) => text += std::str::from_utf8(&data).unwrap(),
                Err(frame) => grpc_status = frame.into_trailers().unwrap().get("grpc-status").cloned(),
            },
            Err(error) => cut = Some(error),
        }
    }
    Came { status, head, text, grpc_status, cut, end: millis() }
}

fn words() -> Scripted {
    Scripted::new().data("data: 1\n\n").wait(SECOND).data("data: 2\n\n").wait(SECOND).data("data: 3\n\n")
}

#[tokio::test(start_paused = true)]
async fn in_time_nothing_is_changed() {
    let layer = DeadlineLayer::new().total(3 * SECOND).first_content(SECOND).gap(SECOND + MILLI);
    let came = exchange(layer, post("/"), SECOND - MILLI, events(words())).await;
    assert_eq!(came.text, "data: 1\n\ndata: 2\n\ndata: 3\n\n");
    assert_eq!((came.status, came.head, came.cut, came.end), (StatusCode::OK, 999, None, 2999));
}

#[tokio::test(start_paused = true)]
async fn before_the_head_it_is_a_status() {
    for (layer, clock) in [
        (DeadlineLayer::new().total(SECOND), "not complete"),
        (DeadlineLayer::new().first_content(SECOND), "did not begin"),
        (DeadlineLayer::new().total(SECOND).first_content(SECOND), "did not begin"),
    ] {
        let came = exchange(layer.clone(), post("/"), 5 * SECOND, events(words())).await;
        assert_eq!((came.status, came.head, came.end), (StatusCode::GATEWAY_TIMEOUT, 1000, 1000));
        assert!(came.text.contains(clock), "{}", came.text);
        let mut call = post("/");
        call.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
        let came = exchange(layer, call, 5 * SECOND, grpc(words())).await;
        assert_eq!((came.status, came.head), (StatusCode::OK, 1000));
        assert_eq!(came.grpc_status, Some(4.into()), "DEADLINE_EXCEEDED");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_carries_its_mark() {
    let never = service_fn(|_: Ask| std::future::pending::<Result<Response<Scripted>, Infallible>>());
    let answer = DeadlineLayer::new().total(SECOND).layer(never).oneshot(post("/")).await.unwrap();
    assert_eq!(answer.extensions().get::<Rejection>().map(Rejection::layer), Some("deadline"));
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_an_error_event_of_its_dialect() {
    for (path, begins) in [
        (CHAT, "data: {\"error\":"),
        (MESSAGES, "event: error\ndata: {\"type\":\"error\""),
        ("/v1/responses", "event: error\ndata: {\"type\":\"error\""),
        ("/", "event: error\ndata: the answer"),
    ] {
        let layer = DeadlineLayer::new().total(SECOND + MILLI);
        let came = exchange(layer, post(path), Duration::ZERO, events(words())).await;
        let last = came.text.strip_prefix("data: 1\n\ndata: 2\n\n").unwrap();
        assert!(last.starts_with(begins) && last.ends_with("\n\n"), "{path}: {last}");
        assert_eq!((came.cut, came.end), (None, 1001));
    }
}

#[tokio::test(start_paused = true)]
async fn in_the_middle_of_an_event_and_of_a_plain_answer_it_is_cut_off() {
    let half = || Scripted::new().data("data: 1\n").forever();
    let cut = Some(BodyError::Late(Clock::Total));
    let layer = DeadlineLayer::new().total(SECOND);
    let came = exchange(layer.clone(), post(CHAT), Duration::ZERO, events(half())).await;
    assert_eq!((came.text.as_str(), came.cut, came.end), ("data: 1\n", cut.clone(), 1000));
    let came = exchange(layer.clone(), post(CHAT), Duration::ZERO, Response::new(half())).await;
    assert_eq!((came.text.as_str(), came.cut, came.end), ("data: 1\n", cut.clone(), 1000));
    let layer = layer.total(SECOND / 2);
    let sized = exchange(layer.clone(), post(CHAT), Duration::ZERO, events(words().exact())).await;
    let told = exchange(layer.late(Late::CutOff), post(CHAT), Duration::ZERO, events(words())).await;
    for came in [sized, told] {
        assert_eq!((came.text.as_str(), came.cut, came.end), ("data: 1\n\n", cut.clone(), 500));
    }
}

#[tokio::test(start_paused = true)]
async fn grpc_ends_with_trailers() {
    let layer = DeadlineLayer::new().total(SECOND);
    let came =
        exchange(layer, post("/"), Duration::ZERO, grpc(Scripted::new().data("message").forever())).await;
    assert_eq!((came.text.as_str(), came.cut, came.end), ("message", None, 1000));
    assert_eq!(came.grpc_status, Some(4.into()));
}

#[tokio::test(start_paused = true)]
async fn comments_and_pings_are_no_content_and_fill_no_gap() {
    let pings = || {
        let ping = |body: Scripted| body.data("event: ping\ndata: {}\n\n").wait(SECOND / 2).data(": x\n\n");
        (0..20).fold(Scripted::new(), |body, _| ping(body).wait(SECOND / 2))
    };
    let layer = DeadlineLayer::new().first_content(3 * SECOND);
    let came = exchange(layer, post(MESSAGES), SECOND / 2, events(pings())).await;
    assert!(came.text.ends_with("\n\n") && came.text.contains("did not begin"), "{}", came.text);
    assert_eq!(came.end, 3000);

    let layer = DeadlineLayer::new().gap(2 * SECOND);
    let body = Scripted::new().data("data: 1\n\n").wait(SECOND).data("data: 2\n\n").wait(SECOND);
    let rest = (0..20).fold(body, |body, _| body.data(": x\n\n").wait(SECOND / 2));
    let came = exchange(layer, post(MESSAGES), 10 * SECOND, events(rest)).await;
    assert!(came.text.contains("stopped in the middle"), "{}", came.text);
    assert_eq!((came.head, came.end), (10_000, 13_000), "two seconds after the last event");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_slowly_makes_no_gap() {
    let upstream = service_fn(|_: Ask| std::future::ready(Ok::<_, Infallible>(events(words()))));
    let layer = DeadlineLayer::new().gap(SECOND + MILLI);
    let mut body = layer.layer(upstream).oneshot(post("/")).await.unwrap().into_body();
    for _ in 0..3 {
        sleep(100 * SECOND).await;
        assert!(body.frame().await.unwrap().is_ok());
    }
    assert!(body.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn whichever_is_sooner_counts_and_is_left_for_others() {
    let name = HeaderName::from_static("x-timeout-ms");
    let left = async |request: Ask| {
        let (tell, told) = std::sync::mpsc::channel();
        let upstream = service_fn(move |request: Ask| {
            let deadline = request.extensions().get::<Deadline>().copied();
            tell.send(deadline.map(|deadline| deadline.remaining(Instant::now().into_std()))).unwrap();
            std::future::ready(Ok::<_, Infallible>(Response::new(Scripted::new())))
        });
        let layer = DeadlineLayer::new().total(5 * SECOND).header(name.clone());
        layer.layer(upstream).oneshot(request).await.unwrap();
        told.recv().unwrap()
    };
    assert_eq!(left(post("/")).await, Some(5 * SECOND));
    let with = |value| {
        let mut request = post("/");
        request.headers_mut().insert(name.clone(), HeaderValue::from_static(value));
        request
    };
    assert_eq!(left(with("3000")).await, Some(3 * SECOND));
    assert_eq!(left(with("9000")).await, Some(5 * SECOND), "no client gets more");
    assert_eq!(left(with("soon")).await, Some(5 * SECOND));
    let mut call = with("3000");
    *call.version_mut() = Version::HTTP_2;
    call.headers_mut().insert("grpc-timeout", HeaderValue::from_static("2S"));
    assert_eq!(left(call).await, Some(2 * SECOND));
    let mut request = with("3000");
    request.extensions_mut().insert(Deadline::after(Instant::now().into_std(), SECOND).unwrap());
    assert_eq!(left(request).await, Some(SECOND), "somebody further out knows");
}

#[tokio::test(start_paused = true)]
async fn time_in_a_queue_further_out_is_charged() {
    let mut request = post("/");
    Arrival::of(&mut request, Instant::now().into_std());
    sleep(2 * SECOND).await;
    let layer = DeadlineLayer::new().first_content(3 * SECOND);
    let came = exchange(layer, request, 10 * SECOND, Response::new(words())).await;
    assert_eq!((came.status, came.head), (StatusCode::GATEWAY_TIMEOUT, 1000));
}
