//! What an observer is told, and when.

use std::{sync::Arc, time::Duration};

use dashpot_sse::{End, SsePassthroughLayer, Stats};
use dashpot_testkit::body::Scripted;
use dashpot_wire::dialect::{Dialect, FinishReason};
use http::Request;
use http_body_util::BodyExt;
use tower::{Layer, Service, service_fn};

use crate::support::{CHAT, CONTENT, DONE, Log, Told, events, post, through};

const ROLE: &str = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
const LAST: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\
    \"usage\":{\"prompt_tokens\":9,\"completion_tokens\":5}}\n\n";

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[tokio::test(start_paused = true)]
async fn each_time_is_exact_and_counted_from_the_call() {
    let log = Log::default();
    let layer = SsePassthroughLayer::new().observer(log.clone());
    let handle = layer.handle();
    let mut service = layer.layer(service_fn(async |_: Request<()>| {
        tokio::time::sleep(ms(100)).await;
        let script = Scripted::new()
            .data("")
            .wait(ms(200))
            .data(ROLE)
            .wait(ms(300))
            .data(CONTENT)
            .wait(ms(400))
            .data(CONTENT)
            .data(LAST)
            .data(DONE)
            .wait(ms(500));
        Ok::<_, std::convert::Infallible>(events(script))
    }));
    let answer = service.call(post(CHAT)).await.unwrap();
    let body = answer.into_body().collect().await.unwrap().to_bytes();

    let told = log.told();
    let [
        Told::Headers(dialect, headers),
        Told::FirstByte(byte),
        Told::FirstContent(content),
        Told::End(summary),
    ] = &told[..]
    else {
        panic!("{told:?}")
    };
    let (dialect, headers, byte, content) = (*dialect, *headers, *byte, *content);
    assert_eq!(dialect, Some(Dialect::OpenAiChat));
    assert_eq!((headers, byte, content), (ms(100), ms(300), ms(600)));
    let times = summary.times;
    assert_eq!((times.headers, times.first_byte, times.first_content), (headers, Some(byte), Some(content)));
    assert_eq!(times.end, ms(1500));
    assert_eq!((summary.end, summary.events, summary.bytes), (End::Done, 5, body.len() as u64));
    assert_eq!((summary.usage.input_tokens, summary.usage.output_tokens), (Some(9), Some(5)));
    assert_eq!(summary.finish_reason, Some(FinishReason::Stop));
    assert_eq!(summary.time_per_output_token(), Some(ms(900) / 4));
    let stats = handle.stats();
    assert_eq!((stats.done, stats.events, stats.bytes), (1, 5, body.len() as u64));
}

#[tokio::test(start_paused = true)]
async fn one_frame_can_bring_it_all() {
    let log = Log::default();
    let layer = SsePassthroughLayer::new().observer(log.clone());
    let all = [ROLE, CONTENT, DONE].concat();
    let response = through(layer, post(CHAT), events(Scripted::new().wait(ms(7)).data(all).eager())).await;
    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();
    let told = log.told();
    assert!(
        matches!(
            &told[..],
            [Told::Headers(..), Told::FirstByte(byte), Told::FirstContent(content), Told::End(summary)]
                if (*byte, *content, summary.times.end) == (ms(7), ms(7), ms(7))
        ),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_stream_without_content_has_no_time_of_it() {
    let log = Log::default();
    let layer = SsePassthroughLayer::new().observer(log.clone());
    let response = through(layer, post(CHAT), events(Scripted::new().data(ROLE).data(DONE))).await;
    response.into_body().collect().await.unwrap();
    let summary = log.summary().unwrap();
    assert_eq!((summary.times.first_content, summary.time_per_output_token()), (None, None));
    assert!(summary.times.first_byte.is_some());
}

#[tokio::test]
async fn an_observer_may_be_shared_and_the_handle_counts_every_end() {
    let log = Arc::new(Log::default());
    let layer = SsePassthroughLayer::new().observer(log.clone());
    let handle = layer.handle();
    let layer = layer.harden_headers(false);
    let content = || Scripted::new().data(CONTENT);
    for script in [
        content().data(DONE),
        content().data("data: {\"error\":{}}\n\n"),
        content(),
        content().error("reset"),
    ] {
        let response = through(layer.clone(), post(CHAT), events(script)).await;
        let _ = response.into_body().collect().await;
    }
    drop(through(layer.clone(), post(CHAT), events(content())).await);
    let passing = through(layer, post(CHAT), events(content())).await;

    let Stats { active, started, done, error, truncated, reset, client_gone, .. } = handle.clone().stats();
    assert_eq!((active, started), (1, 6));
    assert_eq!([done, error, truncated, reset, client_gone], [1; 5]);
    assert_eq!(handle.stats().events, 6);
    assert_eq!(log.told().iter().filter(|told| matches!(told, Told::End(_))).count(), 5);
    drop(passing);
    assert_eq!(handle.stats().active, 0);
}
