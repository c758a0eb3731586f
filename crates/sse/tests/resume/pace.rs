//! How fast the upstream is read, and what is kept.

use std::{
    pin::Pin,
    task::{Context, Waker},
};

use dashpot_sse::resume::{Memory, Overtaken};
use dashpot_testkit::{Trigger, body::Scripted};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout};

use crate::support::{SECOND, Upstream, event, numbered, rest, script, settle};

/// Frames of one event each, of a thousand bytes.
fn thousands(count: u32) -> Scripted {
    (0..count).fold(Scripted::new(), |body, number| body.data(format!("data: {number:0>992}\n\n")))
}

fn small() -> Memory {
    Memory { stream_bytes: 32 << 10, ..Memory::default() }
}

#[tokio::test(start_paused = true)]
async fn the_upstream_is_read_as_fast_as_the_client_reads() {
    let script = thousands(1000);
    let probe = script.probe();
    let upstream = Upstream::within(small(), [script]);
    let mut body = upstream.begin().await;
    for read in 1..=1000 {
        event(&mut body).await;
        settle().await;
        assert!(probe.frames() <= read + 17, "{} of {read}", probe.frames());
    }
    assert!(body.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn while_nobody_reads_as_much_is_read_as_is_kept_and_nothing_is_lost() {
    let script = thousands(100);
    let probe = script.probe();
    let upstream = Upstream::within(small(), [script]);
    let mut body = upstream.begin().await;
    let (id, _) = event(&mut body).await;
    drop(body);
    settle().await;
    let kept = probe.frames();
    assert!((25..=33).contains(&kept), "{kept}");
    tokio::time::sleep(20 * SECOND).await;
    assert_eq!(probe.frames(), kept, "the rest waits at the upstream");
    let all = rest(upstream.back(&id).await.into_body()).await;
    assert_eq!(all.matches("data: ").count(), 99);
    for number in 1..100 {
        assert!(all.contains(&format!("{number:0>992}\n")), "{number}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_follower_that_falls_behind_what_is_kept_is_cut_off_and_the_others_go_on() {
    let upstream = Upstream::within(small(), [thousands(100)]);
    let mut fast = upstream.begin().await;
    let (id, _) = event(&mut fast).await;
    let mut slow = upstream.back(&id).await.into_body();
    let (id, _) = event(&mut slow).await;
    assert_eq!(rest(fast).await.matches("data: ").count(), 99);
    let error = slow.frame().await.unwrap().unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&Overtaken));
    assert!(slow.frame().await.is_none());
    assert_eq!(upstream.back(&id).await.status(), 410);
}

/// As one whose connection is dead, which nobody has noticed.
#[tokio::test(start_paused = true)]
async fn a_follower_that_does_not_read_holds_up_no_other() {
    let upstream = Upstream::within(small(), [thousands(100)]);
    let mut dead = upstream.begin().await;
    let (id, _) = event(&mut dead).await;
    settle().await;
    let back = upstream.back(&id).await.into_body();
    assert_eq!(rest(back).await.matches("data: ").count(), 99);
    drop(dead);
}

#[tokio::test(start_paused = true)]
async fn who_waits_somewhere_else_than_before_is_woken_there() {
    let later = Trigger::new();
    let upstream = Upstream::new([script(numbered(1..=1)).until(&later).data("data: 2\n\n")]);
    let mut body = upstream.begin().await;
    event(&mut body).await;
    settle().await;
    assert!(Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop())).is_pending());
    let moved = tokio::spawn(rest(body));
    settle().await;
    later.fire();
    assert_eq!(timeout(SECOND, moved).await.unwrap().unwrap(), "data: 2\n\n");
}

/// Each that waits costs each event a look at it, so one client could make a stream slow for all.
#[tokio::test(start_paused = true)]
async fn of_too_many_followers_the_oldest_makes_place() {
    let upstream = Upstream::within(small(), [script(numbered(1..=1)).wait(SECOND).data("data: 2\n\n")]);
    let mut first = upstream.begin().await;
    let (id, _) = event(&mut first).await;
    let first = tokio::spawn(async move {
        let error = first.frame().await.unwrap().unwrap_err();
        (error.downcast_ref() == Some(&Overtaken), Instant::now())
    });
    let mut others = Vec::new();
    for _ in 0..32 {
        settle().await;
        assert!(!first.is_finished(), "after {}", others.len());
        others.push(upstream.back(&id).await.into_body());
    }
    let now = Instant::now();
    assert_eq!(first.await.unwrap(), (true, now), "and is told at once");
    for other in others {
        assert_eq!(rest(other).await, "data: 2\n\n");
    }
    assert_eq!(upstream.handle.stats().ended, 1);
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_is_larger_than_what_is_kept_arrives_whole() {
    let frame: String = (1..=1000).map(|number| format!("data: {number:0>92}\n\n")).collect();
    let upstream =
        Upstream::within(small(), [script(vec!["data: 0\n\n".into(), frame.clone(), frame.clone()])]);
    let mut body = upstream.begin().await;
    event(&mut body).await;
    settle().await;
    assert_eq!(rest(body).await, frame.repeat(2));
}

#[tokio::test(start_paused = true)]
async fn after_an_event_that_is_too_long_nobody_comes_back() {
    let long = format!("data: {}\n\n", "x".repeat(40 << 10));
    let frames =
        vec!["data: 1\n\n".into(), long[..35 << 10].into(), long[35 << 10..].into(), "data: 3\n\n".into()];
    let body = script(frames).forever();
    let probe = body.probe();
    let upstream = Upstream::within(small(), [body, script(vec![long.clone()]).forever()]);
    let mut body = upstream.begin().await;
    let (id, _) = event(&mut body).await;
    let mut rest = Vec::new();
    while let Ok(Some(frame)) = timeout(SECOND, body.frame()).await {
        rest.extend_from_slice(&frame.unwrap().into_data().unwrap());
    }
    assert_eq!(rest, format!("{long}data: 3\n\n").as_bytes());
    assert_eq!(upstream.back(&id).await.status(), 410);
    drop(body);
    settle().await;
    assert!(probe.is_dropped(), "nobody can come back, so nobody is waited for");

    let mut first = upstream.begin().await;
    assert_eq!(first.frame().await.unwrap().unwrap().into_data().unwrap(), long);
    assert_eq!(upstream.handle.stats().too_long, 2);
    drop(first);
    settle().await;
    assert_eq!(upstream.store.bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_cannot_be_resumed_any_more_comes_to_its_end_and_is_not_kept() {
    let frames =
        vec!["data: 1\n\n".into(), format!("data: {}\n\n", "x".repeat(40 << 10)), "data: 3\n\n".into()];
    let upstream = Upstream::within(small(), [script(frames.clone())]);
    assert_eq!(rest(upstream.begin().await).await, frames.concat(), "and no error");
    settle().await;
    assert_eq!((upstream.store.streams(), upstream.store.bytes()), (0, 0));
    assert_eq!(upstream.handle.stats().ended, 1);
}

#[tokio::test(start_paused = true)]
async fn a_first_event_without_end_is_not_waited_for_until_all_memory_is_full() {
    let upstream = Upstream::within(small(), [script(vec!["data: ".repeat(4 << 10); 10]).forever()]);
    let mut body = upstream.begin().await;
    for _ in 0..5 {
        assert!(timeout(SECOND, body.frame()).await.unwrap().unwrap().is_ok());
    }
    assert_eq!((upstream.handle.stats().too_long, upstream.store.bytes()), (1, 0));
}
