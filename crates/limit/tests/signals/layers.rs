//! What depends on how the layer was made, and on others in flight.

use std::{io, time::Duration};

use bytes::Bytes;
use dashpot_body::ReleaseAt;
use dashpot_core::{Classify, Outcome};
use dashpot_limit::{CallLimitLayer, LimitLayer, policy::Event};
use dashpot_testkit::body::Scripted;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tokio::time::{Instant, sleep, timeout};
use tower::{Layer, ServiceExt, service_fn};

use crate::{
    model::{Exchange, STEP, events, status, whole, words},
    recorder::{
        Recorder, Told,
        What::{Departure, FirstToken, Latency, Left, Overload, Streamed},
    },
};

#[tokio::test(start_paused = true)]
async fn a_slot_that_is_given_back_early_departs_with_the_next_report() {
    let stream = || events(words(&["", "content", "done"]));
    let cases: [(_, _, _, Vec<Told>); 7] = [
        (
            ReleaseAt::End,
            "a stream",
            stream(),
            vec![(200, FirstToken(200), 1, 0), (300, Streamed(100), 0, 1)],
        ),
        (
            ReleaseAt::FirstByte,
            "a stream",
            stream(),
            vec![(200, FirstToken(200), 1, 0), (300, Streamed(100), 0, 1)],
        ),
        (
            ReleaseAt::Head,
            "a stream",
            stream(),
            vec![(200, FirstToken(200), 0, 1), (300, Streamed(100), 0, 0)],
        ),
        (ReleaseAt::FirstByte, "whole", whole(words(&["a", "b"])), vec![(200, Latency(100, None), 0, 1)]),
        (ReleaseAt::Head, "whole", whole(words(&["a", "b"])), vec![(200, Latency(100, None), 0, 1)]),
        (ReleaseAt::Head, "503", status(503), vec![(100, Overload, 0, 1)]),
        (ReleaseAt::Head, "500", status(500), vec![(100, Departure, 0, 1)]),
    ];
    for (release_at, name, answer, expected) in cases {
        let exchange = Exchange { release_at, ..Exchange::new(answer) };
        assert_eq!(exchange.told().await, expected, "{release_at:?}, {name}");
    }
}

async fn answer_slowly(_: Request<Full<Bytes>>) -> Result<Response<Scripted>, io::Error> {
    sleep(STEP).await;
    Ok(Response::new(Scripted::new().data("a").eager()))
}

async fn ask(layer: &LimitLayer, bytes: &'static str) -> StatusCode {
    let answer = layer.layer(service_fn(answer_slowly)).oneshot(Request::new(bytes.into())).await.unwrap();
    let status = answer.status();
    let _ = http_body_util::BodyExt::collect(answer.into_body()).await;
    status
}

#[tokio::test(start_paused = true)]
async fn a_sample_tells_who_else_was_in_flight_at_its_start_and_how_long_the_prompt_was() {
    let recorder = Recorder::default();
    let layer = LimitLayer::with_policy(recorder.clone());
    let start = Instant::now().into_std();
    tokio::join!(ask(&layer, "four"), async {
        sleep(STEP / 2).await;
        ask(&layer, "longer").await
    });
    let seen: Vec<_> =
        recorder.observations().iter().map(|told| (told.in_flight, sample(&told.event, start))).collect();
    assert_eq!(seen, [(1, (0, 1, Some(4))), (0, (50, 2, Some(6)))]);
}

/// When it was admitted, in milliseconds; with it, in flight; the length of its prompt.
fn sample(event: &Event, start: std::time::Instant) -> (u128, u32, Option<u32>) {
    let Event::Sample(sample) = event else { panic!("{event:?}") };
    (sample.admitted.saturating_duration_since(start).as_millis(), sample.in_flight, sample.prompt)
}

#[tokio::test(start_paused = true)]
async fn where_tokens_are_counted_they_are_the_length_of_the_prompt() {
    let recorder = Recorder::default();
    let layer = LimitLayer::with_policy(recorder.clone()).tokens(1000, |_| 321);
    let start = Instant::now().into_std();
    ask(&layer, "four").await;
    assert_eq!(sample(&recorder.observations()[0].event, start), (0, 1, Some(321)));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_no_report() {
    let recorder = Recorder::default();
    let layer = LimitLayer::with_policy(recorder.clone());
    let start = Instant::now().into_std();
    let statuses = tokio::join!(ask(&layer, ""), ask(&layer, ""), ask(&layer, ""));
    assert_eq!(statuses.2, StatusCode::SERVICE_UNAVAILABLE);
    let told = recorder.told(start);
    assert_eq!(told, [(100, Latency(100, None), 1, 1), (100, Latency(100, None), 0, 1)]);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_slot_is_measured_from_its_admission_and_who_leaves_before_it_is_no_report() {
    let recorder = Recorder::default();
    let layer = LimitLayer::with_policy(recorder.clone()).wait(8, 100 * STEP);
    let start = Instant::now().into_std();
    let (.., gone) = tokio::join!(
        ask(&layer, ""),
        ask(&layer, ""),
        // Waits for 100 ms, and then takes as long as the others.
        ask(&layer, "third"),
        timeout(STEP / 2, ask(&layer, "gone")),
    );
    assert!(gone.is_err());
    let told = recorder.told(start);
    // The third takes the slot of the first before that is told.
    assert_eq!(
        told,
        [(100, Latency(100, None), 2, 1), (100, Latency(100, None), 1, 1), (200, Latency(100, None), 0, 1),]
    );
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_after_a_wait_is_no_report() {
    let recorder = Recorder::default();
    let layer = LimitLayer::with_policy(recorder.clone()).wait(8, STEP / 2);
    let start = Instant::now().into_std();
    let statuses = tokio::join!(ask(&layer, ""), ask(&layer, ""), ask(&layer, ""));
    assert_eq!(statuses.2, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(recorder.told(start).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_frozen_limit_tells_its_policy_nothing_and_no_more_of_that_time_later() {
    let recorder = Recorder::default();
    let layer = LimitLayer::with_policy(recorder.clone());
    let start = Instant::now().into_std();
    layer.handle().freeze();
    ask(&layer, "").await;
    assert_eq!(recorder.told(start), []);
    layer.handle().resume();
    ask(&layer, "").await;
    assert_eq!(recorder.told(start), [(200, Latency(100, None), 0, 1)]);
}

/// Errors that are out of time are an overload.
#[derive(Clone)]
struct TimedOut;

impl<R> Classify<R, io::ErrorKind> for TimedOut {
    fn response(&self, _: &R) -> Option<Outcome> {
        None
    }

    fn error(&self, error: &io::ErrorKind) -> Outcome {
        match error {
            io::ErrorKind::TimedOut => Outcome::Overload { retry_after: None },
            _ => Outcome::Failure,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_is_one_report_at_its_end() {
    let cases: [(Result<(), _>, _, Told); 5] = [
        (Ok(()), 1000, (100, Latency(100, None), 0, 1)),
        (Err(io::ErrorKind::Other), 1000, (100, Departure, 0, 1)),
        (Err(io::ErrorKind::TimedOut), 1000, (100, Overload, 0, 1)),
        (Ok(()), 50, (50, Left(50), 0, 1)),
        (Err(io::ErrorKind::Other), 50, (50, Left(50), 0, 1)),
    ];
    for (answer, leaves, expected) in cases {
        let recorder = Recorder::default();
        let layer = CallLimitLayer::with_policy(recorder.clone()).classify(TimedOut);
        let start = Instant::now().into_std();
        let service = layer.layer(service_fn(async |()| {
            sleep(STEP).await;
            answer
        }));
        let _ = timeout(Duration::from_millis(leaves), service.oneshot(())).await;
        assert_eq!(recorder.told(start), [expected]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_refused_is_no_report() {
    let recorder = Recorder::default();
    let layer = CallLimitLayer::with_policy(recorder.clone());
    let start = Instant::now().into_std();
    let call = || {
        layer
            .layer(service_fn(async |()| {
                sleep(STEP).await;
                Ok::<_, io::Error>(())
            }))
            .oneshot(())
    };
    let (.., refused) = tokio::join!(call(), call(), call());
    assert!(refused.is_err());
    assert_eq!(recorder.told(start), [(100, Latency(100, None), 1, 1), (100, Latency(100, None), 0, 1)]);
}

#[tokio::test(start_paused = true)]
async fn all_that_left_are_told_whoever_looked_or_was_refused_meanwhile() {
    for refuses in [false, true] {
        let recorder = Recorder::default();
        let layer = LimitLayer::with_policy(recorder.clone()).release_at(ReleaseAt::Head);
        let stream = service_fn(async |_: Request<Full<Bytes>>| {
            let body = Scripted::new().data("").wait(STEP).data("a").eager();
            Ok::<_, io::Error>(Response::new(body))
        });
        let answer = layer.layer(stream).oneshot(Request::default()).await.unwrap();
        if refuses {
            let statuses = tokio::join!(ask(&layer, ""), ask(&layer, ""), ask(&layer, ""));
            assert_eq!(statuses.2, StatusCode::SERVICE_UNAVAILABLE);
        } else {
            assert_eq!(layer.handle().stats().in_flight, 0);
        }
        http_body_util::BodyExt::collect(answer.into_body()).await.unwrap();
        let told: u32 = recorder.observations().iter().map(|told| told.departed).sum();
        assert_eq!(told, if refuses { 3 } else { 1 }, "{refuses}");
    }
}
