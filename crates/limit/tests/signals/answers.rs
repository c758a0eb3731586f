//! Clients that read to the end.

use std::time::Duration;

use dashpot_core::Rejection;
use dashpot_testkit::body::Scripted;
use http::{HeaderMap, Response};

use crate::{
    model::{Answer, Exchange, STEP, built, events, grpc, grpc_status, read, status, whole, words},
    recorder::{
        Told,
        What::{Departure, FirstToken, Latency, Overload, Streamed},
    },
};

async fn check(cases: impl IntoIterator<Item = (&'static str, Answer, Vec<Told>)>) {
    for (name, answer, expected) in cases {
        assert_eq!(Exchange::new(answer).told().await, expected, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_came_whole_is_one_sample_of_the_latency() {
    let latency = |at, tokens| vec![(at, Latency(100, tokens), 0, 1)];
    let empty = Response::builder().status(204);
    check([
        ("at once", whole(words(&["answer"])), latency(100, None)),
        ("empty", built(empty, Scripted::new().eager()), latency(100, None)),
        // How long the client takes to read it is not the upstream's time.
        ("in two parts", whole(words(&["ans", "wer"])), latency(200, None)),
        ("with usage", read(whole(words(&["content", "usage", "done"]))), latency(300, Some(7))),
        ("read, without usage", read(whole(words(&["content", "done"]))), latency(200, None)),
        ("a redirection", status(302), latency(100, None)),
    ])
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_one_sample_of_its_first_content_and_tells_its_rest_at_the_end() {
    let stream = |first, end| vec![(first, FirstToken(first), 1, 0), (end, Streamed(end - first), 0, 1)];
    let trailers = words(&["message", "message"]).wait(STEP).trailers(grpc_status(0));
    check([
        ("nobody reads it", events(words(&["ping", "content", "done"])), stream(100, 300)),
        (
            "a ping is no content",
            read(events(words(&["ping", "content", "usage", "done"]))),
            stream(200, 400),
        ),
        ("an empty frame is nothing", events(words(&["", "content"])), stream(200, 200)),
        ("gRPC", grpc(trailers), stream(100, 300)),
    ])
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_without_content_is_no_sample() {
    check([("done at once", read(events(words(&["ping", "done"]))), vec![(200, Departure, 0, 1)])]).await;
}

#[tokio::test(start_paused = true)]
async fn an_overload_is_told_once_wherever_it_is_said() {
    let head = || vec![(100, Overload, 0, 1)];
    let late = || vec![(100, FirstToken(100), 1, 0), (200, Overload, 0, 1)];
    let unavailable = |code| {
        let head = Response::builder().header("content-type", "application/grpc").header("grpc-status", code);
        built(head, Scripted::new().eager())
    };
    check([
        ("503", status(503), head()),
        ("504", status(504), head()),
        ("529", status(529), head()),
        ("UNAVAILABLE in the head", unavailable(14), head()),
        ("DEADLINE_EXCEEDED in the head", unavailable(4), head()),
        ("UNAVAILABLE in trailers alone", grpc(Scripted::new().trailers(grpc_status(14))), head()),
        ("after a message", grpc(words(&["message"]).wait(STEP).trailers(grpc_status(14))), late()),
        ("an error event at first", read(events(words(&["overloaded"]))), head()),
        ("an error event after content", read(events(words(&["content", "overloaded"]))), late()),
    ])
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_failed_or_was_somebody_elses_fault_is_no_sample() {
    let departure = || vec![(100, Departure, 0, 1)];
    let rejection = Rejection::new("rate", "no").problem().map(|words| Scripted::new().data(words).exact());
    let mut cases = vec![
        ("an error", Err("boom"), departure()),
        ("a refusal of another layer", Ok(rejection), departure()),
        ("a reset at first", whole(Scripted::new().error("reset")), departure()),
        ("a stream reset at first", events(Scripted::new().error("reset")), departure()),
        ("gRPC RESOURCE_EXHAUSTED", grpc(Scripted::new().trailers(grpc_status(8))), departure()),
        ("gRPC INTERNAL", grpc(Scripted::new().trailers(grpc_status(13))), departure()),
        ("gRPC without an end", grpc(Scripted::new().trailers(HeaderMap::new())), departure()),
        ("an event that says 429", read(events(words(&["limited"]))), departure()),
        ("an event that says 500", read(events(words(&["failed"]))), departure()),
    ];
    cases.extend(
        [400, 401, 404, 408, 413, 422, 429, 500, 501, 502]
            .map(|code| ("a status", status(code), departure())),
    );
    check(cases).await;
}

#[tokio::test(start_paused = true)]
async fn a_failure_in_mid_body_spoils_a_latency_and_not_a_first_token() {
    let late = |first| vec![(100, FirstToken(100), 1, 0), (first, Departure, 0, 1)];
    check([
        ("whole", whole(words(&["ans"]).wait(STEP).error("reset")), vec![(200, Departure, 0, 1)]),
        ("a stream", events(words(&["content"]).wait(STEP).error("reset")), late(200)),
        ("an error event", read(events(words(&["content", "failed"]))), late(200)),
        ("gRPC without trailers", grpc(words(&["message", "message"])), late(200)),
    ])
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_no_sample_however_fast_it_is() {
    for delay in [Duration::ZERO, Duration::from_micros(999), 10 * STEP] {
        for answer in [status(500), status(404), status(429), Err("refused")] {
            let exchange = Exchange { delay, ..Exchange::new(answer) };
            let told = exchange.told().await;
            assert!(matches!(told[..], [(_, Departure, 0, 1)]), "{delay:?}: {told:?}");
        }
    }
}
