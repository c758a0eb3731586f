//! How a stream ended, for each way it can.

use dashpot_core::{BodyReport, Outcome};
use dashpot_sse::End;
use dashpot_testkit::body::Scripted;
use http::HeaderMap;
use http_body::Body;
use http_body_util::BodyExt;

use crate::support::{CHAT, CONTENT, DONE, MESSAGES, OVERLOADED, events, exchange, post};

const STOP: &str = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
const GEMINI: &str = "/v1beta/models/m:streamGenerateContent";
const GEMINI_STOP: &str =
    "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]},\"finishReason\":\"STOP\"}]}\n\n";

/// Polls to the end, as a client that reads all.
async fn read(path: &str, script: Scripted) -> (End, Outcome) {
    let (response, log, handle) = exchange(post(path), events(script)).await;
    let report = response.extensions().get::<BodyReport>().unwrap().clone();
    let _ = response.into_body().collect().await;
    assert_eq!(handle.stats().active, 0);
    (log.summary().unwrap().end, report.outcome().unwrap())
}

/// Polls `frames` frames and then drops the body.
async fn leave(path: &str, script: Scripted, frames: usize) -> (End, Outcome) {
    let (response, log, handle) = exchange(post(path), events(script)).await;
    let report = response.extensions().get::<BodyReport>().unwrap().clone();
    let mut body = response.into_body();
    for _ in 0..frames {
        body.frame().await.unwrap().unwrap();
    }
    assert_eq!((handle.stats().active, log.summary().is_none()), (1, true));
    drop(body);
    assert_eq!(handle.stats().active, 0);
    (log.summary().unwrap().end, report.outcome().unwrap())
}

fn script(frames: &[&'static str]) -> Scripted {
    frames.iter().fold(Scripted::new(), |script, frame| script.data(*frame))
}

#[tokio::test]
async fn the_terminal_marker_makes_it_done() {
    let done = (End::Done, Outcome::Success);
    assert_eq!(read(CHAT, script(&[CONTENT, DONE])).await, done);
    assert_eq!(read(CHAT, script(&[CONTENT, DONE]).trailers(HeaderMap::new())).await, done);
    assert_eq!(read(CHAT, script(&[CONTENT, DONE]).exact()).await, done);
    assert_eq!(read(CHAT, script(&[CONTENT, DONE]).eager()).await, done);
    assert_eq!(read(CHAT, script(&[CONTENT, "data: [DO", "NE]\n", "\n"])).await, done);
    assert_eq!(read(MESSAGES, script(&[STOP])).await, done);
    assert_eq!(read(GEMINI, script(&[GEMINI_STOP])).await, done);
}

#[tokio::test]
async fn a_client_that_hangs_up_after_the_marker_was_served() {
    let done = (End::Done, Outcome::Success);
    assert_eq!(leave(CHAT, script(&[CONTENT, DONE]).forever(), 2).await, done);
    assert_eq!(leave(MESSAGES, script(&[STOP]), 1).await, done);
    assert_eq!(leave(GEMINI, script(&[GEMINI_STOP]), 1).await, done);
}

#[tokio::test]
async fn an_end_without_the_marker_is_a_truncation() {
    let truncated = (End::Truncated, Outcome::Failure);
    assert_eq!(read(CHAT, script(&[CONTENT])).await, truncated);
    assert_eq!(read(CHAT, script(&[CONTENT]).eager()).await, truncated);
    assert_eq!(
        read(CHAT, script(&[CONTENT, "data: [DONE]\n"])).await,
        truncated,
        "the event is not complete"
    );
    assert_eq!(read(CHAT, script(&[])).await, truncated);
    assert_eq!(read(MESSAGES, script(&[CONTENT, DONE])).await, truncated, "the marker of another dialect");
}

#[tokio::test]
async fn a_chat_that_says_why_it_stopped_needs_no_marker_if_its_body_is_whole() {
    const FINISH: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    let (done, truncated) = ((End::Done, Outcome::Success), (End::Truncated, Outcome::Failure));
    assert_eq!(read(CHAT, script(&[CONTENT, FINISH])).await, done);
    assert_eq!(read(CHAT, script(&[CONTENT, FINISH, "data: {"])).await, truncated);
    assert_eq!(read(CHAT, script(&[CONTENT, FINISH]).error("reset")).await, (End::Reset, Outcome::Failure));
    let gone = (End::ClientGone, Outcome::Ignored);
    assert_eq!(leave(CHAT, script(&[CONTENT, FINISH]).forever(), 2).await, gone, "its usage may be to come");
    let message_delta = "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\n";
    assert_eq!(read(MESSAGES, script(&[message_delta])).await, truncated, "that protocol has one always");
}

#[tokio::test]
async fn plain_events_are_done_between_two_of_them() {
    let (done, truncated) = ((End::Done, Outcome::Success), (End::Truncated, Outcome::Failure));
    assert_eq!(read("/", script(&["data: a\n\n"])).await, done);
    assert_eq!(read("/", script(&[])).await, done);
    assert_eq!(read("/", script(&["data: a\n\ndata: b"])).await, truncated);
    assert_eq!(read("/", script(&["data: a\n"])).await, truncated);
    let gone = (End::ClientGone, Outcome::Ignored);
    assert_eq!(leave("/", script(&["data: a\n\n"]).forever(), 1).await, gone);
}

#[tokio::test]
async fn an_error_event_is_an_error_whatever_comes_after() {
    let overload = (End::Error, Outcome::Overload { retry_after: None });
    assert_eq!(read(MESSAGES, script(&[OVERLOADED])).await, overload);
    assert_eq!(read(MESSAGES, script(&[OVERLOADED, STOP])).await, overload);
    assert_eq!(read(MESSAGES, script(&[OVERLOADED]).error("reset")).await, overload);
    assert_eq!(leave(MESSAGES, script(&[OVERLOADED]).forever(), 1).await, overload);
    let failure = (End::Error, Outcome::Failure);
    let event = "data: {\"error\":{\"message\":\"x\",\"type\":\"server_error\"}}\n\n";
    assert_eq!(read(CHAT, script(&[CONTENT, event, DONE])).await, failure);
}

#[tokio::test]
async fn an_error_of_the_body_is_a_reset() {
    let reset = (End::Reset, Outcome::Failure);
    assert_eq!(read(CHAT, script(&[CONTENT]).error("reset")).await, reset);
    assert_eq!(read(CHAT, Scripted::new().error("reset")).await, reset);
    assert_eq!(read(CHAT, script(&[CONTENT, DONE]).error("reset")).await, reset, "the client sees it too");
}

#[tokio::test]
async fn a_drop_before_the_marker_is_the_clients() {
    let gone = (End::ClientGone, Outcome::Ignored);
    assert_eq!(leave(CHAT, script(&[CONTENT, DONE]), 0).await, gone, "never polled");
    assert_eq!(leave(CHAT, script(&[CONTENT, DONE]), 1).await, gone);
    assert_eq!(leave(CHAT, script(&[CONTENT]).forever(), 1).await, gone);
}

#[tokio::test]
async fn a_stated_length_ends_the_stream_as_none_does() {
    // A server does not poll on after so many bytes, whether or not the marker was among them.
    let (response, log, _) = exchange(post(CHAT), events(script(&[CONTENT]).exact())).await;
    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    assert_eq!(log.summary().unwrap().end, End::Truncated);

    let mut short = events(script(&["data: a\n\n"]));
    short.headers_mut().insert("content-length", 100.into());
    let (response, log, _) = exchange(post("/"), short).await;
    response.into_body().collect().await.unwrap();
    assert_eq!(log.summary().unwrap().end, End::Truncated);
}

#[tokio::test]
async fn a_stream_that_is_over_at_its_head_ends_unpolled() {
    let (response, log, handle) = exchange(post(CHAT), events(Scripted::new().eager())).await;
    assert!(response.body().is_end_stream());
    assert_eq!(log.summary().unwrap().end, End::Truncated);
    assert_eq!((handle.stats().started, handle.stats().active, handle.stats().truncated), (1, 0, 1));
}

#[tokio::test]
async fn dropping_the_body_drops_the_upstreams_at_once() {
    let script = script(&[CONTENT]).forever();
    let probe = script.probe();
    let (response, _, _) = exchange(post(CHAT), events(script)).await;
    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();
    assert!(!probe.is_dropped());
    drop(body);
    assert!(probe.is_dropped());
}
