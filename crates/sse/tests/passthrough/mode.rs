//! Answers in the mode that is asked for.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use dashpot_core::{Arrival, BodyReport, Classify, HttpClassify, Outcome, Priority, Rejection};
use dashpot_sse::{Mode, ModeBody, ModeHandle, ModeLayer, ResponseBody, SsePassthroughLayer};
use dashpot_testkit::body::Scripted;
use dashpot_wire::{
    dialect::{Dialect, RequestFacts},
    modes::{Collect, RequestMode, expand},
};
use http::{HeaderMap, HeaderName, Method, Request, Response, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use tower::{ServiceBuilder, ServiceExt, service_fn};

use crate::{
    identity::chunks,
    support::{CHAT, CONTENT, DONE, MESSAGES, OVERLOADED, events},
};

const BYTES: usize = 1 << 20;
const SECOND: Duration = Duration::from_secs(1);
const DIALECTS: [(Dialect, &str); 3] = [
    (Dialect::OpenAiChat, CHAT),
    (Dialect::OpenAiResponses, "/v1/responses"),
    (Dialect::AnthropicMessages, MESSAGES),
];

/// A request's body: scripted, or made of bytes.
struct Asking(Scripted);

impl From<Bytes> for Asking {
    fn from(bytes: Bytes) -> Self {
        Self(Scripted::new().data(bytes).exact().eager())
    }
}

impl Body for Asking {
    type Data = Bytes;
    type Error = <Scripted as Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

/// What the upstream was asked.
#[derive(Clone, Default)]
struct Asked(Arc<Mutex<Option<(http::request::Parts, String)>>>);

impl Asked {
    fn body(&self) -> String {
        self.0.lock().unwrap().as_ref().unwrap().1.clone()
    }

    fn headers(&self) -> HeaderMap {
        self.0.lock().unwrap().as_ref().unwrap().0.headers.clone()
    }

    fn facts(&self) -> RequestFacts {
        self.0.lock().unwrap().as_ref().unwrap().0.extensions.get::<RequestFacts>().unwrap().clone()
    }
}

type Answer = Response<ModeBody<ResponseBody<Scripted>>>;

async fn ask(layer: &ModeLayer, request: Request<Asking>, answer: Response<Scripted>) -> (Answer, Asked) {
    let asked = Asked::default();
    let (told, answer) = (asked.clone(), Arc::new(Mutex::new(Some(answer))));
    let inner = service_fn(move |request: Request<Asking>| {
        let (told, answer) = (told.clone(), answer.lock().unwrap().take().unwrap());
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            *told.0.lock().unwrap() = Some((head, String::from_utf8(body.to_vec()).unwrap()));
            Ok::<_, Infallible>(answer)
        }
    });
    let stack = ServiceBuilder::new().layer(layer).layer(SsePassthroughLayer::new()).service(inner);
    (stack.oneshot(request).await.unwrap(), asked)
}

fn post(path: &str, body: impl Into<Bytes>) -> Request<Asking> {
    Request::post(path).body(Asking::from(body.into())).unwrap()
}

fn json(answer: &Value) -> Response<Scripted> {
    let body = Scripted::new().data(answer.to_string()).exact().eager();
    Response::builder().header(header::CONTENT_TYPE, "application/json").body(body).unwrap()
}

fn whole(dialect: Dialect) -> Value {
    match dialect {
        Dialect::OpenAiChat => json!({
            "id": "c", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
        }),
        Dialect::OpenAiResponses => json!({
            "id": "r", "object": "response", "status": "completed", "model": "m",
            "output": [{"id": "o", "type": "message", "status": "completed", "role": "assistant",
                "content": [{"type": "output_text", "text": "Hi", "annotations": []}]}],
            "usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
        }),
        _ => json!({
            "id": "a", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
            "stop_sequence": null, "content": [{"type": "text", "text": "Hi"}],
            "usage": {"input_tokens": 1, "output_tokens": 2},
        }),
    }
}

fn stream(dialect: Dialect) -> Bytes {
    expand(dialect, &whole(dialect), true, BYTES).unwrap().into()
}

fn script(chunks: &[Bytes]) -> Scripted {
    chunks.iter().fold(Scripted::new(), |script, chunk| script.data(chunk.clone()))
}

fn kind<B>(answer: &Response<B>) -> &str {
    answer.headers()[header::CONTENT_TYPE].to_str().unwrap()
}

/// The bytes of an answer that states its length, and is of that length.
async fn bytes(answer: Answer) -> Bytes {
    let stated =
        answer.headers().get(header::CONTENT_LENGTH).map(|len| len.to_str().unwrap().parse().unwrap());
    let mut body = answer.into_body();
    assert_eq!(body.size_hint().exact(), stated);
    let bytes = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(body.is_end_stream(), "it is one piece");
    assert_eq!(stated, Some(bytes.len() as u64));
    bytes
}

async fn value(answer: Answer) -> Value {
    assert_eq!(kind(&answer), "application/json");
    serde_json::from_slice(&bytes(answer).await).unwrap()
}

fn outcome<B>(answer: &Response<B>) -> Option<Outcome> {
    answer.extensions().get::<BodyReport>().unwrap().outcome()
}

fn counts(handle: &ModeHandle) -> (u64, u64, u64) {
    let stats = handle.stats();
    (stats.collected, stats.expanded, stats.failed)
}

#[tokio::test(start_paused = true)]
async fn every_caller_is_answered_in_its_mode_and_the_upstream_asked_in_its_own() {
    use Mode::{Stream, Whole};
    let accept = |value| (header::ACCEPT, value);
    let later = (HeaderName::from_static("prefer"), "respond-async");
    for (dialect, path) in DIALECTS {
        for (body, headers, priority, unless_said, wanted) in [
            (r#"{"stream":true}"#, vec![], None, Whole, Stream),
            (r#"{"stream":true}"#, vec![accept("application/json"), later.clone()], Some(7), Whole, Stream),
            (r#"{"stream":false}"#, vec![accept("text/event-stream")], None, Stream, Whole),
            ("{}", vec![], None, Whole, Whole),
            ("{}", vec![], None, Stream, Stream),
            ("{}", vec![], Some(7), Stream, Whole),
            ("{}", vec![accept("text/event-stream")], Some(7), Whole, Stream),
            ("{}", vec![accept("application/json")], None, Stream, Whole),
            ("{}", vec![later.clone()], None, Stream, Whole),
        ] {
            for upstream in [None, Some(Stream), Some(Whole)] {
                let place = format!("{dialect:?}, {body}, {headers:?}, {priority:?}, {upstream:?}");
                let mut layer = ModeLayer::new(BYTES).unless_said(unless_said);
                if let Some(mode) = upstream {
                    layer = layer.upstream(mode);
                }
                let mut request = post(path, body);
                request
                    .headers_mut()
                    .extend(headers.clone().into_iter().map(|(name, value)| (name, value.parse().unwrap())));
                if let Some(urgency) = priority {
                    request.extensions_mut().insert(Priority::new(urgency).unwrap());
                }

                let asked_for = upstream.unwrap_or(wanted);
                let answer = match asked_for {
                    Stream => events(script(&[stream(dialect)])),
                    Whole => json(&whole(dialect)),
                };
                let handle = layer.handle();
                let (answer, asked) = ask(&layer, request, answer).await;
                let said = RequestMode::read(dialect, asked.body().as_bytes()).unwrap().stream;
                assert_eq!(said.unwrap_or(false), asked_for == Stream, "{place}");
                match wanted {
                    Stream => {
                        assert_eq!(kind(&answer), "text/event-stream", "{place}");
                        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
                        let mut collect = Collect::new(dialect, BYTES).unwrap();
                        collect.push(&bytes).unwrap();
                        let mut expected = whole(dialect);
                        // Nobody asked for it.
                        if dialect == Dialect::OpenAiChat && asked_for == Whole {
                            expected.as_object_mut().unwrap().remove("usage");
                        }
                        assert_eq!(collect.finish().unwrap(), expected, "{place}");
                    }
                    Whole if asked_for == Whole => {
                        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
                        assert_eq!(bytes, whole(dialect).to_string(), "{place}");
                    }
                    Whole => assert_eq!(value(answer).await, whole(dialect), "{place}"),
                }
                let changed = u64::from(asked_for != wanted);
                let collected = u64::from(wanted == Whole);
                assert_eq!(counts(&handle), (changed * collected, changed * (1 - collected), 0), "{place}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_changes_only_where_it_must() {
    let body = "{ \"a\":1e400 }";
    let layer = ModeLayer::new(BYTES);
    let (_, asked) = ask(&layer, post(MESSAGES, body), json(&json!({}))).await;
    assert_eq!(asked.body(), body);
    assert_eq!(asked.headers(), HeaderMap::new());

    let layer = layer.upstream(Mode::Stream);
    let mut request = post(CHAT, body);
    let facts = RequestFacts { model: "m".into(), ..RequestFacts::default() };
    request.extensions_mut().insert(facts.clone());
    for (name, value) in
        [("content-length", "13"), ("accept-encoding", "gzip"), ("content-digest", "x"), ("x-y", "z")]
    {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let (_, asked) = ask(&layer, request, events(script(&[stream(Dialect::OpenAiChat)]))).await;
    let changed = r#"{"a":1e400,"stream":true,"stream_options":{"include_usage":true}}"#;
    assert_eq!(asked.body(), changed);
    let headers = asked.headers();
    assert_eq!(headers["content-length"], changed.len().to_string().as_str());
    assert_eq!(
        (&headers["accept-encoding"], &headers["x-y"], headers.len()),
        (&"identity".parse().unwrap(), &"z".parse().unwrap(), 3)
    );
    assert_eq!(asked.facts(), RequestFacts { stream: true, ..facts });
}

#[tokio::test(start_paused = true)]
async fn who_is_given_a_stream_for_its_headers_gets_no_usage_that_it_did_not_ask_for() {
    let layer = ModeLayer::new(BYTES);
    for (body, expected) in [
        ("{}", r#"{"stream":true}"#),
        (
            r#"{"stream_options":{"include_usage":true}}"#,
            r#"{"stream":true,"stream_options":{"include_usage":true}}"#,
        ),
    ] {
        let mut request = post(CHAT, body);
        request.headers_mut().insert(header::ACCEPT, "text/event-stream".parse().unwrap());
        let (_, asked) = ask(&layer, request, events(script(&[stream(Dialect::OpenAiChat)]))).await;
        assert_eq!(asked.body(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn the_time_that_a_body_takes_to_come_counts_for_those_further_in() {
    let came = Instant::now().into_std();
    let body = Scripted::new().data("{").wait(SECOND).data("}");
    let request = Request::post(CHAT).body(Asking(body)).unwrap();
    let (_, asked) = ask(&ModeLayer::new(BYTES), request, json(&json!({}))).await;
    let mut request = Request::from_parts(asked.0.lock().unwrap().take().unwrap().0, ());
    assert_eq!(Arrival::of(&mut request, Instant::now().into_std()), came);
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_collected_however_it_is_cut_and_waits_no_longer_than_a_moment_for_the_end() {
    let layer = ModeLayer::new(BYTES);
    for (dialect, path) in DIALECTS {
        for size in [1, 2, 3, 7, 128, 1400, 16 << 10] {
            let more = [Bytes::from_static(b": more\n\n")];
            let body = script(&chunks(&stream(dialect), size)).wait(Duration::ZERO);
            let body = more.iter().fold(body, |body, chunk| body.data(chunk.clone())).forever();
            let probe = body.probe();
            let start = Instant::now();
            let (answer, _) = ask(&layer, post(path, "{}"), events(body)).await;
            let took = Instant::now().saturating_duration_since(start);
            assert!(took <= Duration::from_millis(11), "{took:?}");
            assert!(probe.is_dropped(), "the upstream is free before the caller has its answer");
            assert_eq!(outcome(&answer), Some(Outcome::Success));
            assert_eq!(value(answer).await, whole(dialect), "{dialect:?} in chunks of {size}");
        }
    }
    // Where the end is there, or comes soon, it is taken: the connection can be used again.
    let body = script(&[stream(Dialect::OpenAiChat)]).wait(Duration::from_millis(9));
    let probe = body.probe();
    ask(&layer, post(CHAT, "{}"), events(body)).await;
    assert_eq!((probe.polls(), probe.polls_after_end()), (3, 0));
    let body = script(&[stream(Dialect::OpenAiChat)]);
    let probe = body.probe();
    ask(&layer, post(CHAT, "{}"), events(body)).await;
    assert_eq!((probe.polls(), probe.polls_after_end()), (2, 0));
    let body = Scripted::new().data(whole(Dialect::OpenAiChat).to_string()).exact().eager();
    let probe = body.probe();
    let mut answer = json(&json!({}));
    *answer.body_mut() = body;
    ask(&layer, post(CHAT, r#"{"stream":true}"#), answer).await;
    assert_eq!((probe.polls(), probe.polls_after_end()), (1, 0));
    // What breaks then breaks nothing.
    let body = script(&[stream(Dialect::OpenAiChat)]).error("reset");
    let (answer, _) = ask(&layer, post(CHAT, "{}"), events(body)).await;
    assert_eq!(value(answer).await, whole(Dialect::OpenAiChat));
    // But not without end.
    let body = script(&vec![Bytes::from_static(b"data: [DONE]\n\n"); 1000]);
    let probe = body.probe();
    ask(&layer, post(CHAT, "{}"), events(body)).await;
    assert!(probe.frames() < 20, "{}", probe.frames());
}

#[tokio::test(start_paused = true)]
async fn the_head_of_an_answer_that_was_changed_says_nothing_of_the_one_before() {
    let mut answer = events(script(&[stream(Dialect::OpenAiChat)]));
    for (name, value) in
        [("transfer-encoding", "chunked"), ("etag", "x"), ("x-request-id", "7"), ("trailer", "x")]
    {
        answer.headers_mut().insert(name, value.parse().unwrap());
    }
    let (answer, _) = ask(&ModeLayer::new(BYTES), post(CHAT, "{}"), answer).await;
    let mut names: Vec<_> = answer.headers().keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["cache-control", "content-length", "content-type", "x-request-id"]);
    assert_eq!(answer.extensions().get::<BodyReport>().unwrap().output_tokens(), Some(2));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_fails_is_an_answer_with_a_status() {
    let overload = Some(Outcome::Overload { retry_after: None });
    let (failure, ignored) = (Some(Outcome::Failure), Some(Outcome::Ignored));
    let long = format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n", "x".repeat(BYTES));
    for (path, body, status, said, words) in [
        (
            MESSAGES,
            Scripted::new().data(OVERLOADED).forever(),
            529,
            overload,
            r#"{"type":"overloaded_error","message":"Overloaded"}"#,
        ),
        (
            CHAT,
            Scripted::new().data(CONTENT).data("data: {\"error\":{\"message\":\"no\"}}\n\n"),
            502,
            failure,
            r#"{"message":"no"}"#,
        ),
        (CHAT, Scripted::new().data(CONTENT), 502, failure, "ended before the answer was complete"),
        (
            CHAT,
            Scripted::new().data(CONTENT).error("reset"),
            502,
            failure,
            "ended before the answer was complete",
        ),
        (CHAT, Scripted::new().data("data: {]\n\n").forever(), 502, failure, "not a JSON object"),
        (CHAT, Scripted::new().data(long).forever(), 502, ignored, "more than 1048576 bytes"),
        (CHAT, Scripted::new().data(DONE), 502, failure, "no answer in it"),
    ] {
        let (layer, probe) = (ModeLayer::new(BYTES), body.probe());
        let handle = layer.handle();
        let (answer, _) = ask(&layer, post(path, "{}"), events(body)).await;
        assert!(probe.is_dropped());
        assert_eq!((answer.status().as_u16(), outcome(&answer)), (status, said), "{words}");
        let body = value(answer).await;
        let error = body["error"].clone();
        let is_said = error["message"].as_str().is_some_and(|message| message.contains(words));
        assert!(is_said || serde_json::from_str(words).is_ok_and(|words: Value| words == error), "{body}");
        assert_eq!(counts(&handle), (0, 0, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_whole_answer_that_cannot_be_said_as_a_stream_is_an_error() {
    let quota =
        json!({"error": {"type": "insufficient_quota", "code": "insufficient_quota", "message": "Spent"}});
    for (body, status, words) in [
        (Scripted::new().data(quota.to_string()), 429, "Spent"),
        (Scripted::new().data("{]"), 502, "the answer is not JSON"),
        (Scripted::new().data("{}"), 502, "the answer is not one of this API"),
        (Scripted::new().data("[]"), 502, "the answer is not one of this API"),
        (Scripted::new(), 502, "the answer is not JSON"),
        (Scripted::new().data("{").error("reset"), 502, "ended before the answer was complete"),
        (Scripted::new().data(" ".repeat(BYTES + 1)).forever(), 502, "more than 1048576 bytes"),
        (Scripted::new().data(" ".repeat(BYTES)).data(" ").forever(), 502, "more than 1048576 bytes"),
    ] {
        let (layer, probe) = (ModeLayer::new(BYTES), body.probe());
        let handle = layer.handle();
        let mut answer = json(&json!({}));
        *answer.body_mut() = body;
        let (answer, _) = ask(&layer, post(CHAT, r#"{"stream":true}"#), answer).await;
        assert!(probe.is_dropped());
        assert_eq!(answer.status().as_u16(), status, "{words}");
        let body = value(answer).await;
        assert!(body["error"]["message"].as_str().unwrap().contains(words), "{body}");
        assert_eq!(counts(&handle), (0, 0, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_in_the_wrong_mode_passes_untouched() {
    let streaming = || events(Scripted::new().data(CONTENT).data(DONE));
    let with = |mut answer: Response<Scripted>, name: &'static str, value: &'static str| {
        answer.headers_mut().insert(name, value.parse().unwrap());
        answer
    };
    let status = |mut answer: Response<Scripted>, status: u16| {
        *answer.status_mut() = status.try_into().unwrap();
        answer
    };
    let layer = ModeLayer::new(BYTES);
    for (path, body, answer) in [
        (CHAT, "{}", status(streaming(), 500)),
        (CHAT, r#"{"stream":true}"#, status(json(&json!({"error": {}})), 429)),
        // A job that was begun, say.
        (CHAT, r#"{"stream":true}"#, status(json(&json!({"id": "job"})), 202)),
        (CHAT, "{}", with(streaming(), "content-encoding", "gzip")),
        (CHAT, r#"{"stream":true}"#, with(json(&json!({})), "content-encoding", "gzip")),
        (CHAT, r#"{"stream":true}"#, with(json(&json!({})), "content-type", "text/plain")),
        (CHAT, r#"{"stream":true}"#, streaming()),
        (CHAT, r#"{"stream":1}"#, streaming()),
        (CHAT, r#"{"audio":{}}"#, streaming()),
        (CHAT, "no JSON", streaming()),
        ("/v1/responses", r#"{"background":true}"#, streaming()),
        ("/v1/completions", "{}", streaming()),
        ("/v1beta/models/m:generateContent", "{}", streaming()),
        ("/elsewhere", "{}", streaming()),
    ] {
        let (kind_before, status) = (kind(&answer).to_owned(), answer.status());
        let probe = answer.body().probe();
        let (answer, asked) = ask(&layer, post(path, body), answer).await;
        assert_eq!((kind(&answer), answer.status(), asked.body().as_str()), (&*kind_before, status, body));
        assert_eq!(probe.polls(), 0, "{path} {body}");
    }
    // What is no request for an answer is not even read.
    let layer = layer.upstream(Mode::Stream);
    let mut request = post(CHAT, "{}");
    *request.method_mut() = Method::GET;
    assert_eq!(ask(&layer, request, streaming()).await.1.body(), "{}");
    let mut request = post(CHAT, "{}");
    request.headers_mut().insert(header::CONTENT_ENCODING, "gzip".parse().unwrap());
    assert_eq!(ask(&layer, request, streaming()).await.1.body(), "{}");
    assert_eq!(counts(&layer.handle()), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_read_is_refused_in_the_words_of_its_api() {
    let layer = ModeLayer::new(10);
    for (body, status) in [
        (Scripted::new().data("x".repeat(11)).exact(), 413),
        (Scripted::new().data("x".repeat(6)).data("x".repeat(5)).forever(), 413),
        (Scripted::new().data("x").error("reset"), 400),
    ] {
        let stack = ServiceBuilder::new().layer(&layer).service(service_fn(
            async |_: Request<Asking>| -> Result<Response<Scripted>, Infallible> {
                unreachable!("it is refused before")
            },
        ));
        let request = Request::post(MESSAGES).body(Asking(body)).unwrap();
        let answer = stack.oneshot(request).await.unwrap();
        assert_eq!(answer.status(), status);
        assert_eq!(answer.extensions().get::<Rejection>().unwrap().status(), status);
        let words = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(serde_json::from_slice::<Value>(&words).unwrap()["type"], "error");
    }
    // What is said to be too long is not even begun.
    let body = Scripted::new().data("x".repeat(11)).exact();
    let probe = body.probe();
    let request = Request::post(MESSAGES).body(Asking(body)).unwrap();
    assert_eq!(ask(&layer, request, json(&json!({}))).await.0.status(), 413);
    assert_eq!(probe.polls(), 0);
    // As much as is allowed is.
    let body = Scripted::new().data("x".repeat(6)).data("x".repeat(4)).trailers(HeaderMap::new());
    let (_, asked) = ask(&layer, Request::post(MESSAGES).body(Asking(body)).unwrap(), json(&json!({}))).await;
    assert_eq!(asked.body(), "x".repeat(10));
}

#[tokio::test(start_paused = true)]
async fn what_is_waited_for_is_dropped_with_the_future() {
    let layer = ModeLayer::new(BYTES);
    let request = Scripted::new().data("{").forever();
    let probe = request.probe();
    let asking = ask(&layer, Request::post(CHAT).body(Asking(request)).unwrap(), json(&json!({})));
    assert!(timeout(SECOND, asking).await.is_err());
    assert!(probe.is_dropped());

    for (body, answer) in [
        ("{}", events(Scripted::new().data(CONTENT).forever())),
        (r#"{"stream":true}"#, {
            let mut answer = json(&json!({}));
            *answer.body_mut() = Scripted::new().data("{").forever();
            answer
        }),
    ] {
        let probe = answer.body().probe();
        assert!(timeout(SECOND, ask(&layer, post(CHAT, body), answer)).await.is_err());
        assert!(probe.is_dropped());
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_too_long_for_us_is_nobodys_failure() {
    let long = "x".repeat(BYTES + 1);
    let mut whole = json(&json!({}));
    *whole.body_mut() = Scripted::new().data(long.clone());
    let repeated = json!({"model": "x".repeat(BYTES / 2), "choices": vec![json!({}); 20]});
    for (body, answer) in [
        ("{}", events(Scripted::new().data(format!("data: {long}\n\n")))),
        (r#"{"stream":true}"#, whole),
        (r#"{"stream":true}"#, json(&repeated)),
    ] {
        let (answer, _) = ask(&ModeLayer::new(BYTES), post(CHAT, body), answer).await;
        assert_eq!(answer.status(), 502);
        assert_eq!(Classify::<_, ()>::response(&HttpClassify, &answer), Some(Outcome::Ignored));
    }
}
