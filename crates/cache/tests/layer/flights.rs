//! One call for all who ask the same at the same time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use dashpot_cache::{CacheLayer, MemoryStore, RequestBody};
use dashpot_testkit::{body::Scripted, strict::Strict};
use futures_util::future::join_all;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::time::{sleep, timeout};
use tower::{Layer, ServiceExt};

use crate::support::{
    DONE, Model, SECOND, STOP, ask, cache, chat, completion, content, events, layer, read, said, settle,
    since, status, tenant, text, whole, with,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_equal_questions_at_once_are_one_call() {
    let body = Scripted::new().data(content("a")).wait(Duration::from_millis(200)).data(STOP).data(DONE);
    let model = Model::default().after(Duration::from_millis(200), events(body));
    let layer = layer();
    let cache = cache(&layer, &model);
    let asking = (0..1000).map(|_| {
        let cache = cache.clone();
        tokio::spawn(async move { read(&cache, chat("Why?", true)).await.1 })
    });
    let expected = [content("a"), STOP.into(), DONE.into()].concat();
    for answer in join_all(asking).await {
        assert_eq!(answer.unwrap(), expected);
    }
    assert_eq!(model.calls(), 1);
    let stats = layer.handle().stats();
    assert_eq!((stats.misses, stats.misses + stats.collapsed + stats.exact), (1, 1000));
}

#[tokio::test(start_paused = true)]
async fn followers_hear_the_stream_as_it_comes_whenever_they_join() {
    let body =
        Scripted::new().data(content("a")).wait(SECOND).data(content("b")).wait(SECOND).data(STOP).data(DONE);
    let model = Model::default().after(SECOND, events(body));
    let cache = cache(&layer(), &model);
    let expected = [content("a"), content("b"), STOP.into(), DONE.into()].concat();
    let late = async |by: u32, end: u32| {
        sleep(by * SECOND / 2).await;
        let start = tokio::time::Instant::now();
        let answer = ask(&cache, chat("Why?", true)).await;
        let status = status(&answer);
        assert_eq!(text(answer).await, expected, "{status}");
        assert_eq!(since(start), end * SECOND / 2 - by * SECOND / 2);
        status
    };
    let all = tokio::join!(late(0, 6), late(1, 6), late(3, 6), late(5, 6));
    assert_eq!(all.0, "dashpot; fwd=miss");
    for status in [all.1, all.2, all.3] {
        assert_eq!(status, "dashpot; fwd=miss; collapsed");
    }
    assert_eq!(model.calls(), 1);
}

/// Who began the call leaves before the head, after it, and in the middle.
#[tokio::test(start_paused = true)]
async fn whoever_leaves_leaves_nobody_behind() {
    for half_seconds in 1..7 {
        let body = Scripted::new()
            .data(content("a"))
            .wait(SECOND)
            .data(content("b"))
            .wait(SECOND)
            .data(STOP)
            .data(DONE);
        let probe = body.probe();
        let model = Model::default().after(SECOND, events(body));
        let cache = cache(&layer(), &model);
        let first =
            timeout(half_seconds * SECOND / 2, async { text(ask(&cache, chat("Why?", true)).await).await });
        let second = async {
            // The first comes first.
            tokio::task::yield_now().await;
            timeout(60 * SECOND, async { text(ask(&cache, chat("Why?", true)).await).await }).await
        };
        let (_, heard) = tokio::join!(first, second);
        assert_eq!(
            heard.expect("it does not hang"),
            [content("a"), content("b"), STOP.into(), DONE.into()].concat()
        );
        assert_eq!(
            (model.calls(), probe.polls_after_end()),
            (1, 0),
            "left after {half_seconds} half seconds"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn when_all_have_left_the_upstream_is_let_go_and_the_next_begins_anew() {
    let body = Scripted::new().data(content("a")).forever();
    let probe = body.probe();
    let model = Model::default().then(events(body)).then(events(said("b")));
    let cache = cache(&layer(), &model);
    let both = [ask(&cache, chat("Why?", true)).await, ask(&cache, chat("Why?", true)).await];
    let [mut first, second] = both.map(Response::into_body);
    first.frame().await.unwrap().unwrap();
    drop(first);
    assert!(!probe.is_dropped());
    drop(second);
    assert!(probe.is_dropped());
    let (status, heard) = read(&cache, chat("Why?", true)).await;
    assert_eq!((status.as_str(), heard.contains("\"b\"")), ("dashpot; fwd=miss", true));
}

#[tokio::test(start_paused = true)]
async fn what_differs_is_not_one_call() {
    let answers = (0..5).map(|n| (SECOND, n));
    let model = answers
        .fold(Model::default(), |model, (time, n)| model.after(time, whole(&completion(&n.to_string()))));
    let cache = cache(&layer(), &model);
    let requests = [
        chat("Why?", false),
        chat("Why not?", false),
        chat("Why?", true),
        with(chat("Why?", false), "x-tenant", "other"),
        with(chat("Why?", false), "cache-control", "no-cache"),
    ];
    join_all(requests.map(|request| read(&cache, request))).await;
    assert_eq!(model.calls(), 5);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_too_long_goes_on_for_those_who_keep_up() {
    let body =
        (0..100).fold(Scripted::new(), |body, n| body.data(content(&format!("{n:0>1000}"))).wait(SECOND));
    let probe = body.probe();
    let model = Model::default().then(events(body.data(DONE))).then(events(said("b")));
    let layer = layer().max_answer_bytes(10_000);
    let cache = cache(&layer, &model);
    let [quick, slow] = [ask(&cache, chat("Why?", true)).await, ask(&cache, chat("Why?", true)).await];
    let mut slow = slow.into_body();
    slow.frame().await.unwrap().unwrap();
    let heard = text(quick).await;
    assert_eq!(heard.matches("data: ").count(), 101);
    // The other was too slow for what is kept, and is told so.
    let error = loop {
        match slow.frame().await {
            Some(Ok(_)) => {}
            Some(Err(error)) => break error,
            None => panic!("it cannot have heard all"),
        }
    };
    assert!(error.is::<dashpot_cache::Broken>(), "{error}");
    drop(slow);
    assert!(probe.is_dropped());
    settle().await;
    assert_eq!(layer.handle().stats().stored, 0);
    assert_eq!(read(&cache, chat("Why?", true)).await.0, "dashpot; fwd=miss");
}

/// A body is in one piece if something further in has made it, and pieces can be as long as they like.
#[tokio::test(start_paused = true)]
async fn a_piece_that_is_longer_than_what_is_kept_is_heard_by_all_who_keep_up() {
    let piece = content(&"x".repeat(50_000));
    for pieces in 1..4 {
        let body = (0..pieces).fold(Scripted::new(), |body, _| body.data(piece.clone()).wait(SECOND));
        let model = Model::default().after(SECOND, events(body));
        let layer = layer().max_answer_bytes(10_000);
        let cache = cache(&layer, &model);
        let heard = join_all((0..3).map(async |_| text(ask(&cache, chat("Why?", true)).await).await.len()));
        assert_eq!(heard.await, [pieces * piece.len(); 3]);
        settle().await;
        assert_eq!(model.calls(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_one_piece_that_is_too_long_is_not_kept() {
    let long = completion(&"x".repeat(10_000));
    for (most, is_kept) in [(long.to_string().len() - 1, false), (long.to_string().len(), true)] {
        let model = Model::default().then(whole(&long)).then(whole(&long));
        let layer = layer().max_answer_bytes(most);
        let cache = cache(&layer, &model);
        assert_eq!(read(&cache, chat("Why?", false)).await.1, long.to_string());
        assert_eq!(read(&cache, chat("Why?", false)).await.0.contains("hit"), is_kept);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_fails_is_told_to_one_and_the_others_call_for_themselves() {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = calls.clone();
    let inner = Strict::new(move |_: Request<RequestBody<Full<Bytes>>>| {
        let call = counted.fetch_add(1, Relaxed);
        async move {
            sleep(SECOND).await;
            if call == 0 { Err("it broke") } else { Ok(whole(&completion("a"))) }
        }
    })
    .pending_first(1);
    let cache = CacheLayer::new(MemoryStore::new(1 << 20), tenant).layer(inner);
    let asking = (0..5).map(|_| cache.clone().oneshot(chat("Why?", false)));
    let answers = timeout(10 * SECOND, join_all(asking)).await.expect("nobody hangs");
    let failed = answers.iter().filter(|answer| answer.is_err()).count();
    assert_eq!((failed, calls.load(Relaxed)), (1, 5));
    assert!(answers.into_iter().filter_map(Result::ok).all(|answer| answer.status() == 200));
}
