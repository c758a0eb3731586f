//! How streams end, and who is told.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use dashpot_sse::resume::{BrokenOff, Memory};
use dashpot_testkit::{Trigger, body::BodyError};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tokio::time::{Instant, sleep};

use crate::support::{SECOND, Upstream, event, events, get, numbered, rest, script, settle};

#[tokio::test(start_paused = true)]
async fn the_upstream_goes_on_for_as_long_as_somebody_may_come_back() {
    let body = script(numbered(1..=1)).forever();
    let probe = body.probe();
    let upstream = Upstream::new([body]);
    let mut body = upstream.begin().await;
    let (id, _) = event(&mut body).await;
    let start = Instant::now();
    drop(body);
    sleep(29 * SECOND).await;
    assert!(!probe.is_dropped());
    assert_eq!(upstream.handle.stats().active, 1);
    sleep(2 * SECOND).await;
    assert_eq!(probe.dropped_at().map(|at| at - start), Some(30 * SECOND));
    assert_eq!(upstream.back(&id).await.status(), 410);
    let stats = upstream.handle.stats();
    assert_eq!((stats.active, stats.abandoned, upstream.store.bytes()), (0, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_in_time_stops_the_clock() {
    let body = script(numbered(1..=1)).forever();
    let probe = body.probe();
    let upstream = Upstream::new([body]);
    let (id, _) = event(&mut upstream.begin().await).await;
    for _ in 0..3 {
        sleep(29 * SECOND).await;
        let back = upstream.back(&id).await;
        assert_eq!(back.status(), 200);
        sleep(1000 * SECOND).await;
        assert!(!probe.is_dropped());
        drop(back);
    }
    let start = Instant::now();
    probe.dropped().await;
    assert_eq!(Instant::now() - start, 30 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn while_nobody_is_there_the_stream_comes_to_its_end_and_is_kept() {
    let body =
        script(numbered(1..=1)).wait(10 * SECOND).data("data: 2\n\n").wait(5 * SECOND).data("data: 3\n\n");
    let probe = body.probe();
    let upstream = Upstream::new([body]);
    let start = Instant::now();
    let (id, _) = event(&mut upstream.begin().await).await;
    sleep(20 * SECOND).await;
    assert_eq!(probe.dropped_at().map(|at| at - start), Some(15 * SECOND), "permits are not held longer");
    sleep(294 * SECOND).await;
    assert_eq!(rest(upstream.back(&id).await.into_body()).await, "data: 2\n\ndata: 3\n\n");
    sleep(SECOND).await;
    assert_eq!(upstream.back(&id).await.status(), 410, "five minutes after its end");
    assert_eq!((upstream.store.streams(), upstream.store.bytes()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn before_the_first_event_nothing_is_promised() {
    for frames in [vec![], vec![": ping\n\n".to_owned()], vec!["retry: 1\n\ndata: a\n".into()]] {
        let count = frames.len() as u64;
        let body = script(frames).forever();
        let probe = body.probe();
        let upstream = Upstream::new([body]);
        let mut body = upstream.begin().await;
        let frame = tokio::time::timeout(SECOND, body.frame()).await;
        assert_eq!(probe.frames(), count);
        drop(body);
        assert!(probe.is_dropped(), "{frame:?}");
        assert_eq!(upstream.store.bytes(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_dropped_before_its_head_is_dropped_inside_too() {
    use std::sync::Arc;
    let upstream = Upstream::new([script(numbered(1..=1))]);
    let held = Arc::new(());
    let inner = {
        let held = held.clone();
        tower::service_fn(move |_: http::Request<()>| {
            let held = held.clone();
            async move {
                std::future::pending::<()>().await;
                drop(held);
                Ok::<_, std::convert::Infallible>(events(script(vec![])))
            }
        })
    };
    let call = tower::ServiceExt::oneshot(tower::Layer::layer(&upstream.layer, inner), get(&[]));
    assert!(tokio::time::timeout(SECOND, call).await.is_err());
    assert_eq!(Arc::strong_count(&held), 1);
}

#[tokio::test(start_paused = true)]
async fn an_error_reaches_who_follows_and_who_comes_back_is_told() {
    let later = Trigger::new();
    let upstream = Upstream::new([script(numbered(1..=2)).until(&later).error("boom")]);
    let mut body = upstream.begin().await;
    let (first, _) = event(&mut body).await;
    let (last, _) = event(&mut body).await;
    let mut second = upstream.back(&last).await.into_body();
    later.fire();
    let error = body.frame().await.unwrap().unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&BodyError("boom")), "its own, unchanged");
    assert!(body.frame().await.is_none());
    let error = second.frame().await.unwrap().unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&BrokenOff));

    let mut back = upstream.back(&first).await.into_body();
    assert_eq!(event(&mut back).await.1, "data: 2\n\n");
    assert!(back.frame().await.unwrap().is_err());
    let answer = upstream.back(&last).await;
    assert_eq!(answer.status(), 410, "204 would say that it has all of it");
    assert_eq!(upstream.handle.stats().failed, 1);
}

#[tokio::test(start_paused = true)]
async fn an_error_before_the_first_event_arrives_too() {
    let upstream = Upstream::new([script(vec![]).error("boom")]);
    let mut body = upstream.begin().await;
    let error = body.frame().await.unwrap().unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&BodyError("boom")));
    assert!(body.is_end_stream() && body.frame().await.is_none());
    assert_eq!(upstream.store.bytes(), 0);
}

/// Gives one event, and panics.
struct Panics(bool);

impl Body for Panics {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        assert!(!self.0, "as the test wants it");
        self.0 = true;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"data: 1\n\n")))))
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_panics_ends_the_stream_for_all() {
    let upstream = Upstream::new([Panics(false)]);
    let mut body = upstream.begin().await;
    let (id, _) = event(&mut body).await;
    let error = body.frame().await.unwrap().unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&BrokenOff));
    assert_eq!(upstream.back(&id).await.status(), 410);
    let stats = upstream.handle.stats();
    assert_eq!((stats.active, stats.failed, upstream.store.bytes()), (0, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn with_the_layer_goes_what_nobody_follows() {
    let (followed, left, over) =
        (script(numbered(1..=1)).forever(), script(numbered(1..=1)).forever(), script(numbered(1..=1)));
    let probes = [followed.probe(), left.probe()];
    let upstream = Upstream::new([followed, left, over]);
    let mut follower = upstream.begin().await;
    event(&mut follower).await;
    event(&mut upstream.begin().await).await;
    rest(upstream.begin().await).await;
    settle().await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    assert_eq!(tasks(), 3, "two that are read, and one that waits to forget the third");
    drop(upstream);
    settle().await;
    assert_eq!(probes.each_ref().map(|probe| probe.is_dropped()), [false, true]);
    assert_eq!(tasks(), 1);
    drop(follower);
    settle().await;
    assert!(probes[0].is_dropped());
    assert_eq!(tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn no_grace_is_none() {
    let body = script(numbered(1..=1)).forever();
    let probe = body.probe();
    let upstream = Upstream::within(Memory { grace: Duration::ZERO, ..Memory::default() }, [body]);
    event(&mut upstream.begin().await).await;
    settle().await;
    assert!(probe.is_dropped());
}
