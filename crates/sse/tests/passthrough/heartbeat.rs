//! Comments while nothing comes: when, where, and that nothing else changes.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use dashpot_core::BodyReport;
use dashpot_sse::{HeartbeatBody, HeartbeatHandle, HeartbeatLayer, ResponseBody, SsePassthroughLayer};
use dashpot_testkit::body::Scripted;
use dashpot_wire::sse::Parser;
use http::{HeaderValue, Method, Request, Response, header};
use http_body::Body;
use http_body_util::BodyExt;
use proptest::prelude::*;
use tokio::time::{Instant, sleep};
use tower::{ServiceBuilder, ServiceExt, service_fn};

use crate::{
    identity::{block_on, chunks, streams},
    support::{CHAT, CONTENT, DONE, MESSAGES, OVERLOADED, events, post},
};

const BEAT: &str = ": keep-alive\n\n";
const EVERY: Duration = Duration::from_secs(15);
const SECOND: Duration = Duration::from_secs(1);

async fn beating(
    request: Request<()>,
    answer: Response<Scripted>,
) -> (Response<HeartbeatBody<ResponseBody<Scripted>>>, HeartbeatHandle) {
    let layer = HeartbeatLayer::new(EVERY);
    let handle = layer.handle();
    let mut answer = Some(answer);
    let stack = ServiceBuilder::new().layer(layer).layer(SsePassthroughLayer::new());
    let inner = service_fn(move |_: Request<()>| {
        let answer = answer.take().unwrap();
        async { Ok::<_, Infallible>(answer) }
    });
    (stack.service(inner).oneshot(request).await.unwrap(), handle)
}

/// The frames of the next `seconds`, each with the second in which it came, whole or not.
async fn frames<B>(body: &mut B, seconds: u64) -> Vec<(f64, Bytes)>
where
    B: Body<Data = Bytes, Error: std::fmt::Debug> + Unpin,
{
    let (start, mut seen) = (Instant::now(), Vec::new());
    while let Ok(Some(frame)) = tokio::time::timeout_at(start + seconds as u32 * SECOND, body.frame()).await {
        let at = (Instant::now() - start).as_secs_f64();
        seen.push((at, frame.unwrap().into_data().unwrap_or_default()));
    }
    seen
}

fn at(frames: &[(f64, &'static str)]) -> Vec<(f64, Bytes)> {
    frames.iter().map(|&(at, bytes)| (at, bytes.into())).collect()
}

/// A blank line alone would be an event without data to readers that remember the last id.
#[tokio::test(start_paused = true)]
async fn among_events_with_ids_it_has_no_blank_line_of_its_own() {
    const WITH_ID: &str = "id: 1\ndata: {}\n\n";
    let script = Scripted::new().wait(20 * SECOND).data(WITH_ID).wait(20 * SECOND).data(DONE);
    let (answer, _) = beating(post(CHAT), events(script)).await;
    let seen = frames(&mut answer.into_body(), 1000).await;
    let expected = [(15.0, BEAT), (20.0, WITH_ID), (35.0, ": keep-alive\n"), (40.0, DONE)];
    assert_eq!(seen, at(&expected));
}

#[tokio::test(start_paused = true)]
async fn among_events_with_ids_it_makes_no_blank_line_of_half_a_line_end() {
    let [before, after] = ["id: 1\r\ndata: a\r\n\r", "\nid: 2\r\ndata: b\r\n\r\n"];
    let answer = events(Scripted::new().data(before).wait(40 * SECOND).data(after).forever());
    let (answer, _) = beating(post("/"), answer).await;
    let seen: Vec<_> = frames(&mut answer.into_body(), 41).await.into_iter().map(|(_, data)| data).collect();
    let text = String::from_utf8(seen.concat()).unwrap().replace("\r\n", "\n").replace('\r', "\n");
    assert_eq!(text, "id: 1\ndata: a\n\n: keep-alive\n: keep-alive\nid: 2\ndata: b\n\n");
}

#[tokio::test(start_paused = true)]
async fn one_comes_whenever_nothing_came_for_so_long() {
    let script = Scripted::new()
        .wait(40 * SECOND)
        .data(CONTENT)
        .wait(14 * SECOND)
        .data(": the upstream's own\n")
        .wait(14 * SECOND)
        .data("")
        .wait(7 * SECOND)
        .data(DONE);
    let (answer, handle) = beating(post(CHAT), events(script)).await;
    let report = answer.extensions().get::<BodyReport>().unwrap().clone();
    let mut body = answer.into_body();
    let seen = frames(&mut body, 20).await;
    assert_eq!(seen, at(&[(15.0, BEAT)]));
    assert_eq!(report.first_content(), None, "a comment is no content");
    let seen = frames(&mut body, 1000).await;
    let expected = [
        (10.0, BEAT),
        (20.0, CONTENT),
        (34.0, ": the upstream's own\n"),
        (48.0, ""),
        (49.0, BEAT),
        (55.0, DONE),
    ];
    assert_eq!(seen, at(&expected));
    assert_eq!(handle.sent(), 3);
}

#[tokio::test(start_paused = true)]
async fn none_comes_inside_an_event() {
    let script = Scripted::new()
        .data("data: a")
        .wait(100 * SECOND)
        .data("\n")
        .wait(100 * SECOND)
        .data("\n")
        .wait(16 * SECOND)
        .data("event: x\n: a comment\n")
        .wait(100 * SECOND)
        .data("\n");
    let (answer, handle) = beating(post("/"), events(script)).await;
    let seen = frames(&mut answer.into_body(), 1000).await;
    assert_eq!(seen[3], (215.0, BEAT.into()), "{seen:?}");
    assert_eq!(handle.sent(), 1);
}

/// To OpenAI's Python library a blank line behind it is an event without data.
#[tokio::test(start_paused = true)]
async fn none_comes_in_a_block_that_has_only_said_when_to_try_again() {
    let answer = events(Scripted::new().data("retry: 5\n").wait(20 * SECOND).data("data: a\n\n").forever());
    let (answer, handle) = beating(post("/"), answer).await;
    let seen = frames(&mut answer.into_body(), 40).await;
    assert_eq!(seen, at(&[(0.0, "retry: 5\n"), (20.0, "data: a\n\n"), (35.0, BEAT)]));
    assert_eq!(handle.sent(), 1);
}

#[tokio::test(start_paused = true)]
async fn none_comes_after_the_stream_has_said_how_it_ended() {
    for (path, last) in [(CHAT, DONE), (MESSAGES, OVERLOADED)] {
        let (answer, handle) = beating(post(path), events(Scripted::new().data(last).forever())).await;
        assert_eq!(frames(&mut answer.into_body(), 1000).await, at(&[(0.0, last)]));
        assert_eq!(handle.sent(), 0);
    }
    let trailers = Scripted::new().data(CONTENT).trailers(http::HeaderMap::new()).forever();
    let (answer, handle) = beating(post("/"), events(trailers)).await;
    assert_eq!(frames(&mut answer.into_body(), 1000).await.len(), 2);
    assert_eq!(handle.sent(), 0);
}

#[tokio::test(start_paused = true)]
async fn none_comes_where_there_is_no_room_for_it() {
    let script = || Scripted::new().data(CONTENT).wait(100 * SECOND).data(CONTENT);
    let with = |name, value: &'static str| {
        let mut answer = events(script());
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
        answer
    };
    for (answer, why) in [
        (events(script().exact()), "the size is exact"),
        (with(header::CONTENT_LENGTH, "1000"), "the length is stated"),
        (with(header::CONTENT_TYPE, "application/json"), "no events"),
        (with(header::CONTENT_ENCODING, "gzip"), "compressed"),
    ] {
        let (answer, handle) = beating(post(CHAT), answer).await;
        let body = answer.into_body();
        let hint = body.size_hint();
        assert_eq!(hint.exact().is_some(), why == "the size is exact", "{why}: {hint:?}");
        body.collect().await.ok();
        assert_eq!(handle.sent(), 0, "{why}");
    }
    let mut head = post(CHAT);
    *head.method_mut() = Method::HEAD;
    let (answer, handle) = beating(head, events(script())).await;
    answer.into_body().collect().await.unwrap();
    assert_eq!(handle.sent(), 0, "no body");
}

#[tokio::test(start_paused = true)]
async fn none_is_made_while_the_client_does_not_read() {
    let (answer, handle) = beating(post(CHAT), events(Scripted::new().data(CONTENT).forever())).await;
    let mut body = answer.into_body();
    assert_eq!(frames(&mut body, 1).await.len(), 1);
    sleep(1000 * SECOND).await;
    assert_eq!(handle.sent(), 0);
    let seen = frames(&mut body, 16).await;
    assert_eq!(seen, at(&[(0.0, BEAT), (15.0, BEAT)]), "one for all that time");
}

#[tokio::test(start_paused = true)]
async fn the_upstream_is_let_go_with_the_body() {
    let script = Scripted::new().forever();
    let probe = script.probe();
    let (answer, _) = beating(post(CHAT), events(script)).await;
    let mut body = answer.into_body();
    assert_eq!(frames(&mut body, 20).await.len(), 1);
    drop(body);
    assert!(probe.is_dropped());
}

/// Lets the chunks through, each after so many seconds; what comes out is the same but for heartbeats.
async fn assert_same(path: &str, chunks: &[(u64, Bytes)]) -> u64 {
    let script = chunks.iter().fold(Scripted::new(), |script, (wait, chunk)| {
        script.wait(Duration::from_secs(*wait)).data(chunk.clone())
    });
    let (answer, handle) = beating(post(path), events(script)).await;
    let mut body = answer.into_body();
    let (mut all, mut rest) = (Vec::new(), Vec::new());
    while let Some(frame) = body.frame().await {
        let data = frame.unwrap().into_data().unwrap();
        all.extend_from_slice(&data);
        if data != BEAT {
            rest.extend_from_slice(&data);
        }
    }
    let given: Vec<u8> = chunks.iter().flat_map(|(_, chunk)| chunk.clone()).collect();
    let mark = "\u{feff}".as_bytes();
    match given.strip_prefix(mark) {
        Some(unmarked) if all.starts_with(BEAT.as_bytes()) => assert_eq!(rest, unmarked),
        _ => assert_eq!(rest, given),
    }
    assert_eq!(parsed(&all), parsed(&given), "to a reader nothing has changed");
    handle.sent()
}

fn parsed(bytes: &[u8]) -> Vec<String> {
    let mut events = Vec::new();
    Parser::default().push(bytes, |event| events.push(format!("{event:?}"))).unwrap();
    events
}

#[tokio::test(start_paused = true)]
async fn the_stream_less_heartbeats_is_the_same_however_it_is_cut() {
    for (name, path, stream) in streams() {
        for size in [1, 2, 3, 7, 128, 1400, 16 << 10] {
            let slow: Vec<_> = chunks(&stream, size).into_iter().map(|chunk| (16, chunk)).collect();
            assert!(assert_same(path, &slow).await > 0, "{name} in chunks of {size}: before the first byte");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_stream_less_heartbeats_is_the_same(
        mark in any::<bool>(),
        which in any::<prop::sample::Index>(),
        ends in prop::sample::select(vec!["\n", "\r", "\r\n"]),
        cuts in prop::collection::vec((0_u64..40, 0_usize..200), 1..40),
    ) {
        let streams = streams();
        let (_, path, stream) = which.get(&streams);
        let text = str::from_utf8(stream).unwrap().replace('\n', ends);
        let mut rest = Bytes::from(if mark { format!("\u{feff}{text}") } else { text });
        let mut chunks = Vec::new();
        for (wait, size) in cuts.into_iter().cycle().take(10_000) {
            if rest.is_empty() {
                break;
            }
            chunks.push((wait, rest.split_to(size.min(rest.len()))));
        }
        block_on(async {
            tokio::time::pause();
            assert_same(path, &chunks).await
        });
    }
}
