//! Heads that wait for the first event: what becomes of an error that comes first, and that all else stays as it is.

use std::{convert::Infallible, mem::discriminant, time::Duration};

use bytes::Bytes;
use dashpot_core::{BodyReport, Classify, HttpClassify, Outcome};
use dashpot_sse::{End, PeekFirstBody, PeekFirstLayer, ResponseBody, SsePassthroughLayer};
use dashpot_testkit::body::Scripted;
use dashpot_wire::dialect::Dialect;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use http_body::Body;
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::time::{Instant, timeout};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

use crate::{
    identity::{chunks, streams},
    support::{CHAT, CONTENT, DONE, Log, MESSAGES, OVERLOADED, events, post},
};

const TIME: Duration = Duration::from_secs(5);
const SECOND: Duration = Duration::from_secs(1);
const BYTES: usize = 16 << 10;

type Peeked = Response<PeekFirstBody<ResponseBody<Scripted, Log>>>;

fn stack(
    layer: PeekFirstLayer,
    answer: Response<Scripted>,
    log: Log,
) -> impl Service<Request<()>, Response = Peeked, Error = Infallible> {
    let mut answer = Some(answer);
    let inner = service_fn(move |_: Request<()>| {
        let answer = answer.take().unwrap();
        async { Ok::<_, Infallible>(answer) }
    });
    ServiceBuilder::new().layer(layer).layer(SsePassthroughLayer::new().observer(log)).service(inner)
}

async fn peek(request: Request<()>, answer: Response<Scripted>) -> (Peeked, Log) {
    let log = Log::default();
    (stack(PeekFirstLayer::new(TIME, BYTES), answer, log.clone()).oneshot(request).await.unwrap(), log)
}

fn script(chunks: impl IntoIterator<Item = Bytes>) -> Scripted {
    chunks.into_iter().fold(Scripted::new(), Scripted::data)
}

fn report<B>(answer: &Response<B>) -> Option<Outcome> {
    answer.extensions().get::<BodyReport>().unwrap().outcome()
}

async fn json<B>(answer: Response<B>) -> Value
where
    B: Body<Data = Bytes, Error: std::fmt::Debug>,
{
    assert_eq!(answer.headers()["content-type"], "application/json");
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&bytes).unwrap_or_else(|_| panic!("{bytes:?} is not JSON"))
}

#[tokio::test(start_paused = true)]
async fn an_error_that_comes_first_is_an_answer_with_its_status_in_every_dialect() {
    let dialects = [
        (Dialect::OpenAiChat, CHAT),
        (Dialect::OpenAiCompletions, "/v1/completions"),
        (Dialect::OpenAiResponses, "/v1/responses"),
        (Dialect::AnthropicMessages, MESSAGES),
        (Dialect::Gemini, "/v1beta/models/m:streamGenerateContent"),
    ];
    for (dialect, path) in dialects {
        for status in [400, 401, 403, 404, 413, 429, 500, 502, 503, 504, 529] {
            let event = dialect.error_event(status, "no \"such\" luck");
            let stream = format!(": hello\n\nevent: ping\ndata: {{\"type\":\"ping\"}}\n\n{event}{DONE}");
            for size in [1, 2, 7, 1400] {
                let place = format!("{dialect:?}, {status}, in chunks of {size}");
                let (answer, log) =
                    peek(post(path), events(script(chunks(&stream.clone().into(), size)))).await;
                assert_eq!(report(&answer).map(|said| discriminant(&said)), Some(class(status)), "{place}");
                assert_eq!(class(answer.status().as_u16()), class(status), "{place}: {}", answer.status());
                assert_eq!(log.summary().unwrap().end, End::Error, "{place}");
                assert!(!answer.headers().contains_key("x-accel-buffering"), "{place}");
                assert!(answer.body().size_hint().exact().is_some(), "{place}");
                let expected: Value =
                    serde_json::from_str(&dialect.error_body(status, "no \"such\" luck")).unwrap();
                assert_eq!(json(answer).await, expected, "{place}");
            }
        }
    }
}

/// What a status means to outer layers.
fn class(status: u16) -> std::mem::Discriminant<Outcome> {
    let answer = Response::builder().status(status).body(()).unwrap();
    discriminant(&Classify::<_, ()>::response(&HttpClassify, &answer).unwrap())
}

#[tokio::test(start_paused = true)]
async fn what_the_error_says_is_kept() {
    let event = "event: error\ndata: {\"type\":\"error\",\"error\":{\"details\":null,\"type\":\"overloaded_error\",\"message\":\"Overloaded\"},\"request_id\":\"req_011\"}\n\n";
    let (answer, _) = peek(post(MESSAGES), events(script([event.into()]))).await;
    assert_eq!(answer.status(), 529);
    let said = json(answer).await;
    assert_eq!(said["error"]["details"], Value::Null);
    assert_eq!((&said["type"], &said["request_id"]), (&"error".into(), &"req_011".into()));

    let quota = "data: {\"error\":{\"type\":\"insufficient_quota\",\"code\":\"insufficient_quota\",\"message\":\"m\"}}\n\n";
    let (answer, _) = peek(post(CHAT), events(script([quota.into()]))).await;
    assert_eq!(answer.status(), 429);
    assert_eq!(report(&answer), Some(Outcome::RateLimited { quota: true, retry_after: None }));
    assert_eq!(json(answer).await["error"]["code"], "insufficient_quota");

    let flat = "event: error\ndata: {\"type\":\"error\",\"code\":\"rate_limit_exceeded\",\"message\":\"m\",\"param\":null,\"sequence_number\":0}\n\n";
    let (answer, _) = peek(post("/v1/responses"), events(script([flat.into()]))).await;
    assert_eq!(answer.status(), 429);
    let expected =
        serde_json::json!({"error": {"code": "rate_limit_exceeded", "message": "m", "param": null}});
    assert_eq!(json(answer).await, expected);
}

#[tokio::test(start_paused = true)]
async fn the_head_is_the_upstreams_but_for_what_describes_the_stream() {
    let mut answer = events(script([OVERLOADED.into()]).exact());
    for (name, value) in
        [("request-id", "r"), ("retry-after", "7"), ("content-length", "99"), ("trailer", "x")]
    {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    let (answer, _) = peek(post(MESSAGES), answer).await;
    let headers = answer.headers();
    assert_eq!(
        (&headers["request-id"], &headers["retry-after"]),
        (&"r".parse().unwrap(), &"7".parse().unwrap())
    );
    assert!(!headers.contains_key("content-length") && !headers.contains_key("trailer"));
}

#[tokio::test(start_paused = true)]
async fn any_other_stream_is_the_same_however_it_is_cut() {
    let trailers = HeaderMap::from_iter([(header::ETAG, HeaderValue::from_static("x"))]);
    for (name, path, stream) in streams() {
        if matches!(&*name, "anthropic_rate_limited.sse" | "openai_chat_error_status.sse") {
            let (answer, _) = peek(post(path), events(script([stream]))).await;
            assert_eq!(answer.status(), 429, "{name} begins with its error");
            continue;
        }
        for size in [1, 2, 3, 7, 128, 1400, 16 << 10] {
            for peek_bytes in [0, 10, BYTES] {
                let answer = events(script(chunks(&stream, size)).trailers(trailers.clone()).exact());
                let layer = PeekFirstLayer::new(TIME, peek_bytes);
                let log = Log::default();
                let answer = stack(layer, answer, log.clone()).oneshot(post(path)).await.unwrap();
                assert_eq!(answer.status(), 200, "{name}");
                let body = answer.into_body();
                assert_eq!(body.size_hint().exact(), Some(stream.len() as u64), "{name}");
                let collected = body.collect().await.unwrap();
                assert_eq!(collected.trailers(), Some(&trailers), "{name}");
                assert_eq!(collected.to_bytes(), stream, "{name} in chunks of {size}");
                assert_eq!(log.summary().unwrap().bytes, stream.len() as u64);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_that_comes_later_stays_where_it_is() {
    for (path, stream) in
        [(CHAT, [CONTENT, "data: {\"error\":{\"code\":500}}\n\n"].concat()), ("/", OVERLOADED.to_owned())]
    {
        let (answer, _) = peek(post(path), events(script([stream.clone().into()]))).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), stream);
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_waits_no_longer_than_its_time_and_its_bytes() {
    let start = Instant::now();
    let slow = Scripted::new().wait(SECOND).data(": ping\n\n").wait(9 * SECOND).data(OVERLOADED);
    let (answer, _) = peek(post(MESSAGES), events(slow)).await;
    assert_eq!((answer.status().as_u16(), Instant::now() - start), (200, TIME));
    let mut body = answer.into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), ": ping\n\n");
    assert_eq!(Instant::now() - start, TIME, "what was held is there at once");
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), OVERLOADED);
    assert_eq!(Instant::now() - start, 10 * SECOND);

    let start = Instant::now();
    let long = Scripted::new().data(vec![b':'; BYTES]).wait(SECOND).data("\n").forever();
    let (answer, _) = peek(post(MESSAGES), events(long)).await;
    assert_eq!(Instant::now() - start, SECOND, "one more than so many");
    assert_eq!(answer.into_body().frame().await.unwrap().unwrap().into_data().unwrap().len(), BYTES + 1);

    let start = Instant::now();
    let (answer, _) = peek(post(CHAT), events(Scripted::new().wait(SECOND).data(CONTENT).forever())).await;
    assert_eq!(Instant::now() - start, SECOND, "no later than the first event");
    let report = answer.extensions().get::<BodyReport>().unwrap();
    assert_eq!(report.first_content(), Some(SECOND));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_stream_without_events_is_what_it_was() {
    let (answer, log) = peek(post(CHAT), events(Scripted::new().data(": a\n").error("boom"))).await;
    let mut body = answer.into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), ": a\n");
    assert_eq!(body.frame().await.unwrap().unwrap_err().0, "boom");
    assert!(body.frame().await.is_none());
    assert_eq!(log.summary().unwrap().end, End::Reset);

    for script in [Scripted::new(), Scripted::new().eager(), Scripted::new().exact().eager()] {
        let probe = script.probe();
        let (answer, log) = peek(post(CHAT), events(script)).await;
        let mut body = answer.into_body();
        assert!(body.is_end_stream() && body.frame().await.is_none());
        assert_eq!(log.summary().unwrap().end, End::Truncated);
        assert_eq!(probe.polls_after_end(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_begin_with_an_error_is_not_held() {
    let silent = || events(Scripted::new().forever());
    let with = |name, value: &'static str| {
        let mut answer = silent();
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
        answer
    };
    let mut refused = silent();
    *refused.status_mut() = http::StatusCode::TOO_MANY_REQUESTS;
    let mut head = post(CHAT);
    *head.method_mut() = Method::HEAD;
    let cases = [
        (post("/"), silent(), TIME),
        (post(CHAT), with(header::CONTENT_TYPE, "application/json"), TIME),
        (post(CHAT), with(header::CONTENT_ENCODING, "br"), TIME),
        (post(CHAT), refused, TIME),
        (head, silent(), TIME),
        (post(CHAT), silent(), Duration::ZERO),
    ];
    for (i, (request, answer, time)) in cases.into_iter().enumerate() {
        let start = Instant::now();
        let stack = stack(PeekFirstLayer::new(time, BYTES), answer, Log::default());
        stack.oneshot(request).await.unwrap();
        assert_eq!(Instant::now(), start, "case {i}");
    }
}

#[tokio::test(start_paused = true)]
async fn dropped_while_it_is_held_it_lets_the_upstream_go() {
    let script = Scripted::new().data(": ping\n\n").forever();
    let probe = script.probe();
    let held = timeout(SECOND, peek(post(CHAT), events(script)));
    assert!(held.await.is_err());
    assert_eq!((probe.frames(), probe.is_dropped()), (1, true));

    let script = Scripted::new().data(OVERLOADED).forever();
    let probe = script.probe();
    let (_answer, _) = peek(post(MESSAGES), events(script)).await;
    assert!(probe.is_dropped(), "it has said that it failed");
}

#[tokio::test(start_paused = true)]
async fn alone_it_reports_the_outcome_itself() {
    let inner = service_fn(async |_: Request<()>| Ok::<_, Infallible>(events(script([OVERLOADED.into()]))));
    let layer = PeekFirstLayer::new(TIME, BYTES).dialect(Dialect::AnthropicMessages);
    let answer = ServiceBuilder::new().layer(layer).service(inner).oneshot(post("/")).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), report(&answer)),
        (529, Some(Outcome::Overload { retry_after: None }))
    );
}

#[tokio::test(start_paused = true)]
async fn a_ping_is_no_error_whatever_it_holds() {
    let ping = OVERLOADED.replace("event: error", "event: ping");
    let stream = [&*ping, "event: message_start\ndata: {\"type\":\"message_start\"}\n\n"].concat();
    let (answer, _) = peek(post(MESSAGES), events(script([stream.into()]))).await;
    assert_eq!(answer.status(), 200);
}
