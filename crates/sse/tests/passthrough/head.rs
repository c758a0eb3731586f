//! What is taken for a stream of events, and what its head looks like then.

use dashpot_core::BodyReport;
use dashpot_sse::SsePassthroughLayer;
use dashpot_testkit::body::Scripted;
use dashpot_wire::dialect::Dialect;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::BodyExt;

use crate::support::{CHAT, CONTENT, DONE, Log, MESSAGES, Told, events, exchange, post, through};

fn answer(headers: &[(&'static str, &'static str)]) -> Response<Scripted> {
    let mut builder = Response::builder();
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(Scripted::new().data(CONTENT).data(DONE).exact()).unwrap()
}

/// The head that comes out, and whether the body was watched.
async fn head(request: Request<()>, answer: Response<Scripted>) -> (HeaderMap, bool) {
    let (response, log, handle) = exchange(request, answer).await;
    let reported = response.extensions().get::<BodyReport>().is_some();
    let headers = response.headers().clone();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), [CONTENT, DONE].concat());
    let watched = !log.told().is_empty();
    assert_eq!((reported, handle.stats().started == 1), (watched, watched));
    (headers, watched)
}

#[tokio::test]
async fn an_event_stream_is_hardened_and_watched() {
    for kind in ["text/event-stream", "Text/Event-Stream; charset=utf-8"] {
        let given = answer(&[("content-type", kind), ("cache-control", "private"), ("content-length", "67")]);
        let (headers, watched) = head(post(CHAT), given).await;
        assert!(watched, "{kind}");
        assert_eq!(headers["content-type"], kind);
        assert_eq!(headers["cache-control"], "private, no-cache, no-transform");
        assert_eq!(headers["x-accel-buffering"], "no");
        assert_eq!(headers["content-length"], "67", "the bytes are unchanged");
        assert_eq!(headers.len(), 4);
    }
}

#[tokio::test]
async fn hardening_can_be_left_out() {
    let layer = SsePassthroughLayer::new().harden_headers(false);
    let response = through(layer, post(CHAT), answer(&[("content-type", "text/event-stream")])).await;
    assert_eq!(response.headers().len(), 1);
    assert!(response.extensions().get::<BodyReport>().is_some(), "watched all the same");
}

#[tokio::test]
async fn everything_else_passes_untouched() {
    for kind in ["application/jsonl", "text/event-streams", "text/plain; text/event-stream"] {
        let given = answer(&[("content-type", kind), ("cache-control", "private")]);
        let before = given.headers().clone();
        assert_eq!(head(post(CHAT), given).await, (before, false));
    }
    assert_eq!(head(post(CHAT), answer(&[])).await, (HeaderMap::new(), false));
}

#[tokio::test]
async fn an_encoded_stream_passes_untouched_and_is_counted() {
    let given = answer(&[("content-type", "text/event-stream"), ("content-encoding", "gzip")]);
    let before = given.headers().clone();
    let (response, log, handle) = exchange(post(CHAT), given).await;
    assert_eq!(response.headers(), &before);
    response.into_body().collect().await.unwrap();
    assert!(log.told().is_empty());
    assert_eq!((handle.stats().unobserved, handle.stats().started), (1, 0));

    let given = answer(&[("content-type", "text/event-stream"), ("content-encoding", "identity")]);
    assert!(head(post(CHAT), given).await.1);
}

#[tokio::test]
async fn an_answer_without_a_body_is_not_watched() {
    for (method, status) in [(Method::HEAD, 200), (Method::GET, 204), (Method::GET, 304)] {
        let mut given = answer(&[("content-type", "text/event-stream")]);
        *given.status_mut() = status.try_into().unwrap();
        let request = Request::builder().method(method).uri(CHAT).body(()).unwrap();
        let (headers, watched) = head(request, given).await;
        assert!(!watched, "{status}");
        assert_eq!(headers["cache-control"], "no-cache, no-transform", "as the answer to GET");
    }
}

/// As which dialect a stream is read.
async fn dialect<T>(layer: SsePassthroughLayer<T>, request: Request<()>) -> Option<Dialect> {
    let log = Log::default();
    drop(through(layer.observer(log.clone()), request, events(Scripted::new())).await);
    let Told::Headers(dialect, _) = log.told()[0] else { panic!("{:?}", log.told()) };
    dialect
}

#[tokio::test]
async fn the_dialect_is_the_set_one_or_the_requests_or_the_paths() {
    let auto = SsePassthroughLayer::new;
    assert_eq!(dialect(auto(), post(CHAT)).await, Some(Dialect::OpenAiChat));
    assert_eq!(dialect(auto(), post(MESSAGES)).await, Some(Dialect::AnthropicMessages));
    assert_eq!(dialect(auto(), post("/events")).await, None);
    let mut said = post(CHAT);
    said.extensions_mut().insert(Dialect::Gemini);
    assert_eq!(dialect(auto(), said.clone()).await, Some(Dialect::Gemini));
    let set = auto().dialect(Dialect::OpenAiResponses);
    assert_eq!(dialect(set, said).await, Some(Dialect::OpenAiResponses));
}
