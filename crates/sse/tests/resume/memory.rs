//! What is kept, and for how long.

use dashpot_sse::resume::Memory;
use dashpot_testkit::body::Scripted;
use http_body::Body;
use http_body_util::BodyExt;

use crate::support::{SECOND, Upstream, event, numbered, rest, script, settle};

fn room_for_one() -> Memory {
    let stream_bytes = 1 << 10;
    Memory { stream_bytes, max_bytes: stream_bytes + Memory::PER_STREAM + 100, ..Memory::default() }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_finds_no_room_passes_as_it_is_and_hurts_no_other() {
    let long = script(numbered(1..=1)).wait(10 * SECOND).data("data: 2\n\n");
    let upstream =
        Upstream::within(room_for_one(), [long, script(numbered(1..=3)).exact(), script(numbered(1..=1))]);
    let (id, _) = event(&mut upstream.begin().await).await;
    let body = upstream.begin().await;
    assert_eq!(body.size_hint().exact(), Some(27));
    assert_eq!(body.collect().await.unwrap().to_bytes(), numbered(1..=3).concat());
    assert_eq!(upstream.handle.stats().no_room, 1);
    assert_eq!(rest(upstream.back(&id).await.into_body()).await, "data: 2\n\n");
    tokio::time::sleep(301 * SECOND).await;
    let (_, said) = event(&mut upstream.begin().await).await;
    assert_eq!((said.as_str(), upstream.handle.stats().no_room), ("data: 1\n\n", 1), "there is room again");
}

#[tokio::test(start_paused = true)]
async fn what_is_over_gives_back_what_it_did_not_need() {
    let bounds = Memory { max_bytes: 1 << 20, ..Memory::default() };
    let upstream = Upstream::within(bounds, (0..50).map(|_| script(numbered(1..=3))));
    for _ in 0..50 {
        rest(upstream.begin().await).await;
    }
    assert_eq!((upstream.store.streams(), upstream.handle.stats().no_room), (50, 0));
    assert!(upstream.store.bytes() < bounds.max_bytes);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_streams_leave_nothing_behind() {
    let upstream = Upstream::new((0..10_000).map(|_| script(numbered(1..=3))));
    for _ in 0..10_000 {
        rest(upstream.begin().await).await;
    }
    assert_eq!(upstream.store.streams(), 10_000);
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    settle().await;
    assert_eq!(tasks(), 1, "one waits for all");
    tokio::time::sleep(301 * SECOND).await;
    assert_eq!((upstream.store.streams(), upstream.store.bytes(), tasks()), (0, 0, 0));
}

/// The task that waits for all ends with its runtime, and the store may not.
#[test]
fn another_runtime_goes_on_to_forget() {
    let upstream = Upstream::new((0..2).map(|_| script(numbered(1..=2))));
    for left in [1, 0] {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(async {
            rest(upstream.begin().await).await;
            settle().await;
            tokio::time::sleep(if left > 0 { SECOND } else { 400 * SECOND }).await;
        });
        assert_eq!(upstream.store.streams(), left);
    }
}

#[tokio::test(start_paused = true)]
async fn each_is_kept_for_its_time() {
    let upstream = Upstream::new((0..2).map(|_| script(numbered(1..=2))));
    let mut ids = Vec::new();
    for _ in 0..2 {
        let mut body = upstream.begin().await;
        ids.push(event(&mut body).await.0);
        rest(body).await;
        tokio::time::sleep(100 * SECOND).await;
    }
    // The first one ended 200 seconds ago.
    tokio::time::sleep(99 * SECOND).await;
    let kept = async || {
        [upstream.back(&ids[0]).await.status(), upstream.back(&ids[1]).await.status()].map(|s| s.as_u16())
    };
    assert_eq!(kept().await, [200, 200]);
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!((kept().await, upstream.store.streams()), ([410, 200], 1));
    tokio::time::sleep(100 * SECOND).await;
    assert_eq!((kept().await, upstream.store.streams()), ([410, 410], 0));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_over_before_it_begins_takes_no_room() {
    let upstream = Upstream::new([Scripted::new().eager()]);
    assert!(upstream.begin().await.is_end_stream());
    assert_eq!((upstream.store.bytes(), upstream.handle.stats().no_room), (0, 0));
}

/// Each frame is small, so what came with the last one is no excuse.
#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_has_no_more_kept_than_there_is_room_for() {
    for frame in ["data: 1\n\n", ":\n"] {
        let frames = std::iter::once("data: 0\n\n".into()).chain((0..20_000).map(|_| frame.to_owned()));
        let body = script(frames.collect());
        let probe = body.probe();
        let upstream = Upstream::within(room_for_one(), [body]);
        let mut stuck = upstream.begin().await;
        event(&mut stuck).await;
        settle().await;
        // None costs less than this.
        let most = room_for_one().stream_bytes / Memory::PER_EVENT + 2;
        assert!(probe.frames() <= most as u64, "{} of {frame:?}, {most} have room", probe.frames());
        assert!(rest(stuck).await.ends_with(frame));
    }
}
