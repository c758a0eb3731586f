//! What of an answer is kept, and that keeping it delays nothing.

use std::time::Duration;

use dashpot_testkit::body::Scripted;
use http_body_util::BodyExt;

use crate::support::{
    DONE, Model, SECOND, STOP, ask, cache, chat, completion, content, events, layer, read, said, settle,
    since, status, whole,
};

/// Whether the second of two equal questions is answered from what was kept of this answer.
async fn is_kept(answer: http::Response<Scripted>) -> bool {
    let model = Model::default().then(answer).then(whole(&completion("again")));
    let cache = cache(&layer(), &model);
    if let Ok(answer) = ask(&cache, chat("Why?", true)).await.into_body().collect().await {
        drop(answer);
    }
    settle().await;
    read(&cache, chat("Why?", true)).await.0.contains("hit")
}

#[tokio::test(start_paused = true)]
async fn only_what_is_complete_and_good_is_kept() {
    assert!(is_kept(events(said("Hi"))).await);
    for (why, body) in [
        ("cut off", Scripted::new().data(content("Hi"))),
        ("no reason for its end", Scripted::new().data(content("Hi")).data(DONE)),
        (
            "an error event",
            Scripted::new().data(content("Hi")).data("data: {\"error\":{\"message\":\"no\"}}\n\n").data(DONE),
        ),
        ("broken", Scripted::new().data(content("Hi")).data(STOP).error("reset")),
        ("not JSON", Scripted::new().data("data: x\n\n").data(STOP).data(DONE)),
        ("too long", Scripted::new().data(content(&"x".repeat(1 << 20))).data(STOP).data(DONE)),
    ] {
        assert!(!is_kept(events(body)).await, "{why}");
    }
    for (name, value) in
        [("cache-control", "no-store"), ("content-encoding", "gzip"), ("content-type", "text/plain")]
    {
        let mut answer = events(said("Hi"));
        answer.headers_mut().insert(name, value.parse().unwrap());
        assert!(!is_kept(answer).await, "{name}: {value}");
    }
    for status in [201, 400, 429, 500, 503] {
        let mut answer = events(said("Hi"));
        *answer.status_mut() = status.try_into().unwrap();
        assert!(!is_kept(answer).await, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_before_the_end_leaves_nothing_and_one_that_leaves_after_it_does() {
    for (frames, is_kept) in [(0, false), (1, false), (4, true)] {
        let body = said("Hi").forever();
        let probe = body.probe();
        let model = Model::default().then(events(body)).then(events(said("again")));
        let cache = cache(&layer(), &model);
        let mut body = ask(&cache, chat("Why?", true)).await.into_body();
        for _ in 0..frames {
            body.frame().await.unwrap().unwrap();
        }
        assert!(!probe.is_dropped());
        drop(body);
        assert!(probe.is_dropped(), "the upstream is let go at once");
        settle().await;
        assert_eq!(
            read(&cache, chat("Why?", true)).await.0.contains("hit"),
            is_kept,
            "after {frames} frames"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_can_be_finished_for_the_next_when_nobody_listens() {
    let slow = Scripted::new().data(content("Hi")).wait(SECOND).data(STOP).data(DONE);
    let probe = slow.probe();
    let model = Model::default().after(SECOND, events(slow));
    let cache = cache(&layer().finish_alone(), &model);
    // Left before there is a head.
    let asking = tokio::time::timeout(Duration::from_millis(500), ask(&cache, chat("Why?", true)));
    assert!(asking.await.is_err());
    tokio::time::sleep(3 * SECOND).await;
    assert!(probe.is_dropped());
    assert!(read(&cache, chat("Why?", true)).await.0.contains("hit"));
    assert_eq!(model.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn no_byte_is_later_or_other_than_without() {
    let body =
        Scripted::new().data(content("a")).wait(SECOND).data(content("b")).wait(SECOND).data(STOP).data(DONE);
    let model = Model::default().after(SECOND, events(body));
    let cache = cache(&layer(), &model);
    let start = tokio::time::Instant::now();
    let answer = ask(&cache, chat("Why?", true)).await;
    assert_eq!((status(&answer).as_str(), since(start)), ("dashpot; fwd=miss", SECOND));
    let mut body = answer.into_body();
    for (expected, at) in [(content("a"), 1), (content("b"), 2), (STOP.into(), 3), (DONE.into(), 3)] {
        let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!((frame.as_ref(), since(start)), (expected.as_bytes(), at * SECOND));
    }
    assert!(body.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_kept_stream_can_be_paced() {
    let model = Model::default().then(events(said("It is as it is, and so it stays.")));
    let cache = cache(&layer().pace(SECOND), &model);
    read(&cache, chat("Why?", true)).await;
    let start = tokio::time::Instant::now();
    let mut body = ask(&cache, chat("Why?", true)).await.into_body();
    let mut frames = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.unwrap().into_data().unwrap();
        assert!(frame.starts_with(b"data: ") && frame.ends_with(b"\n\n"), "{frame:?}");
        assert_eq!(since(start), frames * SECOND);
        frames += 1;
    }
    // The role, four pieces of the text, the finish reason, the marker.
    assert_eq!(frames, 7);
    // What is whole is not.
    let start = tokio::time::Instant::now();
    assert!(read(&cache, chat("Why?", false)).await.0.contains("hit"));
    assert_eq!(since(start), Duration::ZERO);
}
