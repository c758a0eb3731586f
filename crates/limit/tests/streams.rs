//! Who holds a slot, and until when.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use dashpot_body::ReleaseAt;
use dashpot_core::HttpClassify;
use dashpot_limit::{Handle, LimitLayer, ResponseBody, policy::Fixed};
use dashpot_testkit::{Trigger, body::Scripted};
use http::{HeaderMap, Method, Request, Response, StatusCode, header::RETRY_AFTER};
use http_body::Body as _;
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, ServiceExt, service_fn};

type Body = ResponseBody<Scripted, HttpClassify>;

/// Answers each request with a body that `make` makes.
fn answers(
    make: impl Fn() -> Scripted + Clone,
) -> impl Service<
    Request<Full<Bytes>>,
    Response = Response<Scripted>,
    Error = Infallible,
    Future = Ready<Result<Response<Scripted>, Infallible>>,
> + Clone {
    service_fn(move |_: Request<Full<Bytes>>| ready(Ok(Response::new(make()))))
}

async fn ask(layer: &LimitLayer, make: impl Fn() -> Scripted + Clone) -> Response<Body> {
    layer.layer(answers(make)).oneshot(Request::default()).await.unwrap()
}

fn endless() -> Scripted {
    Scripted::new().data("a").forever()
}

fn at_limit(limit: u32) -> (LimitLayer, Handle) {
    let layer = LimitLayer::with_policy(Fixed::new(limit));
    let handle = layer.handle();
    (layer, handle)
}

#[tokio::test(start_paused = true)]
async fn of_fifty_unfinished_streams_at_limit_two_two_are_in_flight_and_the_others_refused() {
    let (layer, handle) = at_limit(2);
    let end = Trigger::new();
    let stream = || Scripted::new().data("a").until(&end);
    let mut admitted = Vec::new();
    for _ in 0..50 {
        let answer = ask(&layer, stream).await;
        if answer.status() == StatusCode::OK {
            let mut body = answer.into_body();
            body.frame().await.unwrap().unwrap();
            admitted.push(body);
        } else {
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert!(answer.headers().contains_key(RETRY_AFTER));
        }
    }
    let stats = handle.stats();
    assert_eq!((stats.in_flight, stats.admitted, stats.refused, admitted.len()), (2, 2, 48, 2));

    // One ends, one is dropped: each makes room for one.
    end.fire();
    assert!(admitted[0].frame().await.is_none());
    assert_eq!(handle.stats().in_flight, 1);
    let third = ask(&layer, endless).await;
    assert_eq!(third.status(), StatusCode::OK);
    assert_eq!(ask(&layer, endless).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    drop(admitted.pop());
    assert_eq!(handle.stats().in_flight, 1);
    assert_eq!(ask(&layer, endless).await.status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_is_used_on_five_routes_has_one_limit() {
    let (layer, handle) = at_limit(3);
    let mut routes: Vec<_> = (0..5).map(|_| layer.layer(answers(endless))).collect();
    let mut answers = Vec::new();
    for route in &mut routes {
        answers.push(route.ready().await.unwrap().call(Request::default()).await.unwrap());
    }
    let admitted = answers.iter().filter(|answer| answer.status() == StatusCode::OK).count();
    let stats = handle.stats();
    assert_eq!((admitted, stats.in_flight, stats.refused), (3, 3, 2));
    drop(answers);
    assert_eq!(handle.stats().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_clone_of_the_layer_shares_its_limit_and_another_layer_does_not() {
    let (layer, _) = at_limit(1);
    let _holder = ask(&layer, endless).await;
    assert_eq!(ask(&layer.clone(), endless).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ask(&at_limit(1).0, endless).await.status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn ready_clones_that_idle_hold_nothing() {
    let (layer, handle) = at_limit(1);
    let mut clones = vec![layer.layer(answers(endless)); 100];
    let mut cx = Context::from_waker(Waker::noop());
    for clone in &mut clones {
        assert!(clone.poll_ready(&mut cx).is_ready());
    }
    assert_eq!(handle.stats().in_flight, 0);
    let answer = clones[99].call(Request::default()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "a hundred that idle do not stand in the way");
}

#[tokio::test(start_paused = true)]
async fn a_future_that_nobody_polls_holds_its_slot_only_as_long_as_it_lives() {
    let (layer, handle) = at_limit(1);
    let future = layer.layer(answers(endless)).call(Request::default());
    assert_eq!(handle.stats().in_flight, 1);
    drop(future);
    assert_eq!(handle.stats().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_read_by_another_task_holds_its_slot_there() {
    let (layer, handle) = at_limit(1);
    let second = Duration::from_secs(1);
    let answer = ask(&layer, || Scripted::new().data("a").wait(second).data("b")).await;
    let reading = tokio::spawn(answer.into_body().collect());
    tokio::time::sleep(second / 2).await;
    assert_eq!(handle.stats().in_flight, 1);
    assert_eq!(reading.await.unwrap().unwrap().to_bytes(), "ab");
    assert_eq!(handle.stats().in_flight, 0);
}

/// Whether the slot is still taken: with the head; with an empty frame; with the first byte; once all is read or as much
/// as there is; and after the drop.
fn held(release_at: ReleaseAt, method: &Method, body: Scripted) -> [bool; 5] {
    let layer = LimitLayer::with_policy(Fixed::new(1)).release_at(release_at);
    let handle = layer.handle();
    let held = || handle.stats().in_flight == 1;
    let mut cx = Context::from_waker(Waker::noop());
    let body = std::cell::RefCell::new(Some(body));
    let mut service = layer.layer(answers(|| body.take().unwrap()));
    let request = Request::builder().method(method).body(Full::default()).unwrap();
    let Poll::Ready(Ok(answer)) = std::pin::pin!(service.call(request)).poll(&mut cx) else {
        panic!("not ready");
    };
    let mut body = answer.into_body();
    let mut poll = || std::pin::Pin::new(&mut body).poll_frame(&mut cx);
    let head = held();
    let _ = poll();
    let empty = held();
    let _ = poll();
    let byte = held();
    while let Poll::Ready(Some(Ok(_))) = poll() {}
    let read = held();
    drop(body);
    [head, empty, byte, read, held()]
}

#[test]
fn the_slot_comes_back_when_it_was_asked_for_however_the_body_ends() {
    let begun = || Scripted::new().data("").data("a").data("b");
    let get = &Method::GET;
    type Ending = fn(Scripted) -> Scripted;
    let ends: [(&str, Ending); 5] = [
        ("None", |body| body),
        ("its last frame", Scripted::eager),
        ("its length", Scripted::exact),
        ("trailers", |body| body.trailers(HeaderMap::new())),
        ("an error", |body| body.error("boom")),
    ];
    for (name, end) in ends {
        assert_eq!(held(ReleaseAt::Head, get, end(begun())), [false; 5], "{name}");
        let at_first = [true, true, false, false, false];
        assert_eq!(held(ReleaseAt::FirstByte, get, end(begun())), at_first, "{name}");
        let at_end = [true, true, true, false, false];
        assert_eq!(held(ReleaseAt::End, get, end(begun())), at_end, "{name}");
    }
}

#[test]
fn a_body_that_stands_still_holds_its_slot_until_it_is_dropped() {
    let body = || Scripted::new().data("").data("a").forever();
    let get = &Method::GET;
    assert_eq!(held(ReleaseAt::Head, get, body()), [false; 5]);
    assert_eq!(held(ReleaseAt::FirstByte, get, body()), [true, true, false, false, false]);
    assert_eq!(held(ReleaseAt::End, get, body()), [true, true, true, true, false]);
    let mute = || Scripted::new().data("").forever();
    assert_eq!(held(ReleaseAt::FirstByte, get, mute()), [true, true, true, true, false], "no byte came");
}

#[test]
fn a_body_that_is_over_from_the_start_holds_nothing() {
    for release_at in [ReleaseAt::Head, ReleaseAt::FirstByte, ReleaseAt::End] {
        assert_eq!(held(release_at, &Method::GET, Scripted::new().eager()), [false; 5], "{release_at:?}");
        assert_eq!(held(release_at, &Method::HEAD, Scripted::new().eager()), [false; 5], "{release_at:?}");
    }
}
