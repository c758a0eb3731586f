//! Streams that begin before there is an answer.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{Model, SECOND, request};
use dashpot_warm::WarmLayer;
use http_body::Body;
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt};

#[tokio::test(start_paused = true)]
async fn a_stream_that_begins_at_once_has_comments_until_its_events_come() {
    let model = Model::new();
    let layer = WarmLayer::new(model.starter(10 * SECOND))
        .loading_comments(4 * SECOND, |head| head.uri().path() == "/stream");
    let answer = layer.layer(model.service()).oneshot(request("/stream")).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    assert_eq!(answer.headers()["cache-control"], "no-cache");
    assert_eq!(answer.body().size_hint().exact(), None);
    let words = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(words, ": loading\n\n: loading\n\n: loading\n\ndata: hi\n\n");
    assert_eq!(layer.handle().stats().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_has_begun_says_what_came_instead_of_events() {
    let model = Model::new();
    let layer = WarmLayer::new(model.starter(100 * SECOND))
        .hold(8, 2 * SECOND)
        .loading_comments(4 * SECOND, |_| true);
    let answer = layer.layer(model.service()).oneshot(request("/stream")).await.unwrap();
    let words = answer.into_body().collect().await.unwrap().to_bytes();
    let expected =
        ": loading\n\nevent: error\ndata: {\"error\":{\"message\":\"Service Unavailable\",\"code\":503}}\n\n";
    assert_eq!(words, expected);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_has_begun_does_not_call_a_success_an_error() {
    let model = Model::new();
    let layer = WarmLayer::new(model.starter(SECOND)).loading_comments(4 * SECOND, |_| true);
    let answer = layer.layer(model.service()).oneshot(request("/")).await.unwrap();
    let words = answer.into_body().collect().await.unwrap().to_bytes();
    let expected =
        ": loading\n\nevent: error\ndata: {\"error\":{\"message\":\"Bad Gateway\",\"code\":502}}\n\n";
    assert_eq!(words, expected, "it says 200, but sends no events");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_has_begun_as_plain_text_is_not_gone_on_with_in_another_coding() {
    let model = Model::new();
    let layer = WarmLayer::new(model.starter(SECOND)).loading_comments(4 * SECOND, |_| true);
    // Encodes for whoever accepts it, as servers do; and one that does so for all.
    let ask = |path: &'static str| {
        let inner = model.service();
        let encodes = tower::service_fn(move |request: http::Request<_>| {
            let codings = request.headers().get("accept-encoding").cloned();
            let is_wanted = codings.is_some_and(|codings| codings.to_str().unwrap().contains("gzip"));
            let answer = inner.clone().oneshot(request);
            async move {
                let mut answer = answer.await?;
                if is_wanted || path == "/always" {
                    answer.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
                }
                Ok::<_, std::convert::Infallible>(answer)
            }
        });
        let mut request = request("/stream");
        request.headers_mut().insert("accept-encoding", "gzip, br".parse().unwrap());
        let service = layer.layer(encodes);
        async { service.oneshot(request).await.unwrap().into_body().collect().await.unwrap().to_bytes() }
    };
    assert_eq!(ask("/if-accepted").await, ": loading\n\ndata: hi\n\n");
    layer.handle().cool();
    tokio::time::sleep(SECOND).await;
    assert!(ask("/always").await.ends_with(b"\"code\":502}}\n\n"));
}
