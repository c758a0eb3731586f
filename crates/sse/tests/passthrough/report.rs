//! What outer layers read while the body passes.

use std::sync::{Arc, Mutex};

use dashpot_body::{Guarded, ReleaseAt};
use dashpot_core::{BodyReport, Outcome};
use dashpot_testkit::body::Scripted;
use http_body_util::BodyExt;

use crate::support::{CHAT, CONTENT, DONE, MESSAGES, OVERLOADED, events, exchange, post};

#[tokio::test]
async fn every_value_is_there_before_the_frame_that_showed_it() {
    let start = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":7,\"output_tokens\":1}}}\n\n";
    let delta =
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"a\"}}\n\n";
    let last = "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{},\"usage\":{\"output_tokens\":5}}\n\n";
    let stop = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
    let script = Scripted::new().data(start).data(delta).data(last).data(stop).forever();
    let (response, ..) = exchange(post(MESSAGES), events(script)).await;
    let report = response.extensions().get::<BodyReport>().unwrap().clone();
    let mut body = response.into_body();
    let seen = || (report.input_tokens(), report.output_tokens(), report.outcome());

    assert_eq!(seen(), (None, None, None));
    body.frame().await.unwrap().unwrap();
    assert_eq!(seen(), (Some(7), Some(1), None));
    assert_eq!(report.first_content(), None);
    body.frame().await.unwrap().unwrap();
    assert!(report.first_content().is_some());
    body.frame().await.unwrap().unwrap();
    assert_eq!(seen(), (Some(7), Some(5), None));
    body.frame().await.unwrap().unwrap();
    assert_eq!(seen(), (Some(7), Some(5), Some(Outcome::Success)), "before the body has ended");
}

/// What a guard around the layer's body reads at its end.
async fn read_by_a_guard(path: &str, script: Scripted, frames: usize) -> Option<Outcome> {
    let (response, ..) = exchange(post(path), events(script)).await;
    let report = response.extensions().get::<BodyReport>().unwrap().clone();
    let read = Arc::new(Mutex::new(None));
    let guard = {
        let read = read.clone();
        move |_| *read.lock().unwrap() = Some(report.outcome())
    };
    let mut body = Guarded::new(response.into_body(), guard, ReleaseAt::End);
    for _ in 0..frames {
        let _ = body.frame().await;
    }
    drop(body);
    read.lock().unwrap().unwrap()
}

#[tokio::test]
async fn an_outer_guard_reads_the_outcome_however_the_body_ends() {
    let success = Some(Outcome::Success);
    let whole = || Scripted::new().data(CONTENT).data(DONE);
    assert_eq!(read_by_a_guard(CHAT, whole(), 3).await, success, "by None");
    assert_eq!(read_by_a_guard(CHAT, whole().eager(), 2).await, success, "by is_end_stream");
    assert_eq!(read_by_a_guard(CHAT, whole().exact(), 2).await, success, "by the length");
    assert_eq!(read_by_a_guard(CHAT, whole().forever(), 2).await, success, "by a drop after the marker");
    assert_eq!(read_by_a_guard(CHAT, Scripted::new().data(CONTENT), 2).await, Some(Outcome::Failure));
    let overload = Some(Outcome::Overload { retry_after: None });
    assert_eq!(read_by_a_guard(MESSAGES, Scripted::new().data(OVERLOADED).forever(), 1).await, overload);
    // The client left, and the guard is told so: nothing has to be read.
    assert_eq!(read_by_a_guard(CHAT, whole(), 1).await, None);
}

#[tokio::test]
async fn an_outer_guard_that_ends_at_the_stated_length_reads_what_the_end_will_be() {
    let read = async |script: Scripted| {
        let mut answer = events(script);
        let length = http::HeaderValue::from(CONTENT.len() + DONE.len());
        answer.headers_mut().insert(http::header::CONTENT_LENGTH, length);
        let (response, ..) = exchange(post(CHAT), answer).await;
        let report = response.extensions().get::<BodyReport>().unwrap().clone();
        let mut body = response.into_body();
        body.frame().await.unwrap().unwrap();
        assert_eq!(report.outcome(), None, "bytes are missing");
        body.frame().await.unwrap().unwrap();
        report.outcome()
    };
    assert_eq!(read(Scripted::new().data(CONTENT).data(DONE)).await, Some(Outcome::Success));
    let cut = Scripted::new().data(CONTENT).data(&CONTENT[..DONE.len()]);
    assert_eq!(read(cut).await, Some(Outcome::Failure), "no marker");
}
