//! How a shared call ends when something breaks: a panic, an error, a runtime that is gone, an upstream that hangs.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use dashpot_cache::{CacheLayer, MemoryStore, RequestBody};
use dashpot_testkit::body::Scripted;
use futures_util::future::join_all;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::time::{sleep, timeout};
use tower::{Layer, ServiceExt, service_fn};

use crate::support::{
    DONE, Model, SECOND, ask, cache, chat, completion, content, events, layer, read, said, settle, tenant,
    text, whole,
};

#[tokio::test(start_paused = true)]
async fn a_call_that_panics_hangs_nobody() {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = calls.clone();
    let inner = service_fn(move |_: Request<RequestBody<Full<Bytes>>>| {
        let call = counted.fetch_add(1, Relaxed);
        async move {
            sleep(SECOND).await;
            assert!(call > 0, "the first call panics");
            Ok::<_, Infallible>(whole(&completion("a")))
        }
    });
    let cache = CacheLayer::new(MemoryStore::new(1 << 20), tenant).layer(inner);
    let asking: Vec<_> = (0..5).map(|_| tokio::spawn(cache.clone().oneshot(chat("Why?", false)))).collect();
    let answers = timeout(10 * SECOND, join_all(asking)).await.expect("nobody hangs");
    let panicked = answers.iter().filter(|answer| answer.is_err()).count();
    assert_eq!(panicked, 1);
    let statuses = answers.into_iter().filter_map(Result::ok).map(|answer| answer.unwrap().status().as_u16());
    let mut statuses: Vec<_> = statuses.collect();
    statuses.sort_unstable();
    // Whose request it was has none left to send.
    assert!(statuses == [200, 200, 200, 200] || statuses == [200, 200, 200, 502], "{statuses:?}");
}

#[tokio::test(start_paused = true)]
async fn all_who_listen_hear_the_trailers_and_how_it_broke() {
    let mut trailers = http::HeaderMap::new();
    trailers.insert("x-checksum", "1".parse().unwrap());
    let body = Scripted::new().data(content("a")).wait(SECOND).trailers(trailers.clone());
    let broken = Scripted::new().data(content("a")).wait(SECOND).error("reset");
    let model = Model::default().after(SECOND, events(body)).after(SECOND, events(broken));
    let cache = cache(&layer(), &model);
    let listen = async || ask(&cache, chat("Why?", true)).await.into_body().collect().await;
    for heard in join_all((0..3).map(|_| listen())).await {
        assert_eq!(heard.unwrap().trailers(), Some(&trailers));
    }
    settle().await;
    let heard = join_all((0..3).map(|_| listen())).await;
    let words: Vec<_> = heard.iter().map(|heard| heard.as_ref().unwrap_err().to_string()).collect();
    assert_eq!(words.iter().filter(|words| words.contains("reset")).count(), 1, "{words:?}");
    assert_eq!(model.calls(), 2);
}

/// A body that panics after its first piece.
struct Panics(u8);

impl http_body::Body for Panics {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        self.0 += 1;
        assert!(self.0 == 1, "the body panics");
        std::task::Poll::Ready(Some(Ok(http_body::Frame::data("a".into()))))
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_panics_hangs_nobody_and_nothing_of_it_is_kept() {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = calls.clone();
    let inner = service_fn(move |_: Request<RequestBody<Full<Bytes>>>| {
        counted.fetch_add(1, Relaxed);
        async move {
            sleep(SECOND).await;
            let head = Response::builder().header("content-type", "application/json");
            Ok::<_, Infallible>(head.body(Panics(0)).unwrap())
        }
    });
    let cache = CacheLayer::new(MemoryStore::new(1 << 20), tenant).layer(inner);
    for calls_so_far in 1..3 {
        let asking: Vec<_> = (0..5)
            .map(|_| {
                let cache = cache.clone();
                tokio::spawn(async move { cache.oneshot(chat("Why?", false)).await.unwrap().collect().await })
            })
            .collect();
        let heard = timeout(10 * SECOND, join_all(asking)).await.expect("nobody hangs");
        let panicked = heard.iter().filter(|heard| heard.is_err()).count();
        assert_eq!((panicked, calls.load(Relaxed)), (1, calls_so_far));
        assert!(heard.into_iter().filter_map(Result::ok).all(|heard| heard.is_err()));
    }
}

/// Answers are kept on the runtime on which they were asked for; who hears them may outlive it.
#[test]
fn an_answer_that_outlives_its_runtime_is_heard_to_its_end() {
    for finish in [false, true] {
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let model = Model::default().then(events(said("a"))).then(events(said("b")));
        let layer = if finish { layer().finish_alone() } else { layer() };
        let cache = cache(&layer, &model);
        let first = runtime();
        let [heard, dropped] = first.block_on(async {
            [ask(&cache, chat("Why?", true)).await, ask(&cache, chat("Why else?", true)).await]
        });
        drop(first);
        drop(dropped);
        let second = runtime();
        assert!(second.block_on(text(heard)).ends_with(DONE));
        assert_eq!(layer.handle().stats().stored, 0);
    }
}

/// Else all who ask the same after that would wait with it.
#[tokio::test(start_paused = true)]
async fn a_call_that_nobody_waits_for_does_not_go_on_for_ever() {
    let hung = || events(Scripted::new().data(content("a")).forever());
    for finish in [false, true] {
        let model = Model::default().then(events(said("a"))).then(hung()).then(events(said("b")));
        let layer = layer().ttl(10 * SECOND).stale_while_revalidate(60 * SECOND);
        let layer = if finish { layer.finish_alone() } else { layer };
        let cache = cache(&layer, &model);
        read(&cache, chat("Why?", true)).await;
        sleep(20 * SECOND).await;
        assert!(read(&cache, chat("Why?", true)).await.0.contains("hit"));
        sleep(700 * SECOND).await;
        let heard = timeout(60 * SECOND, read(&cache, chat("Why?", true))).await.expect("it does not hang");
        assert_eq!((heard.0.as_str(), model.calls()), ("dashpot; fwd=miss", 3));
    }
    let model = Model::default().then(hung()).then(events(said("b")));
    let cache = cache(&layer().finish_alone(), &model);
    drop(ask(&cache, chat("Why?", true)).await);
    sleep(700 * SECOND).await;
    timeout(60 * SECOND, read(&cache, chat("Why?", true))).await.expect("it does not hang");
}

/// It panics when another comes to it, and of that the upstream wakes nobody.
#[tokio::test(start_paused = true)]
async fn who_waits_is_woken_when_it_panics_under_the_hands_of_another() {
    let polls = Arc::new(AtomicU32::new(0));
    let inner = service_fn(move |_: Request<RequestBody<Full<Bytes>>>| {
        let polls = polls.clone();
        std::future::poll_fn(move |_| {
            assert!(polls.fetch_add(1, Relaxed) == 0, "the second poll panics");
            std::task::Poll::<Result<Response<Scripted>, Infallible>>::Pending
        })
    });
    let cache = CacheLayer::new(MemoryStore::new(1 << 20), tenant).layer(inner);
    let first = tokio::spawn(cache.clone().oneshot(chat("Why?", false)));
    settle().await;
    let second = tokio::spawn(cache.clone().oneshot(chat("Why?", false)));
    assert!(second.await.is_err(), "it panics");
    let first = timeout(SECOND, first).await.expect("it does not hang");
    assert_eq!(first.unwrap().unwrap().status(), 502);
}

/// The upstream has gone on without a word, and another finds it so.
#[tokio::test(start_paused = true)]
async fn who_waits_is_woken_by_what_another_hears() {
    let polls = Arc::new(AtomicU32::new(0));
    let inner = service_fn(move |_: Request<RequestBody<Full<Bytes>>>| {
        let polls = polls.clone();
        std::future::poll_fn(move |_| match polls.fetch_add(1, Relaxed) {
            0 => std::task::Poll::Pending,
            _ => std::task::Poll::Ready(Ok::<_, Infallible>(whole(&completion("a")))),
        })
    });
    let cache = CacheLayer::new(MemoryStore::new(1 << 20), tenant).layer(inner);
    let first = tokio::spawn(cache.clone().oneshot(chat("Why?", false)));
    settle().await;
    cache.clone().oneshot(chat("Why?", false)).await.unwrap();
    assert_eq!(timeout(SECOND, first).await.expect("it does not hang").unwrap().unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn nobody_new_comes_to_an_answer_that_broke() {
    let broken = Scripted::new().data(content("a")).error("reset");
    let model = Model::default().after(SECOND, events(broken)).then(events(said("b")));
    let cache = cache(&layer(), &model);
    let (first, second) = tokio::join!(ask(&cache, chat("Why?", true)), ask(&cache, chat("Why?", true)));
    assert!(first.into_body().collect().await.is_err());
    // The second has read nothing of it yet.
    let (status, heard) = read(&cache, chat("Why?", true)).await;
    assert_eq!((status.as_str(), heard.contains("\"b\"")), ("dashpot; fwd=miss", true));
    assert!(second.into_body().collect().await.is_err());
}

/// As servers do once a length has been reached that the head has told.
#[tokio::test(start_paused = true)]
async fn an_answer_is_over_with_its_last_piece_and_not_when_someone_asks_for_more() {
    let model = Model::default().then(whole(&completion("a"))).then(whole(&completion("b")));
    let cache = cache(&layer(), &model);
    let mut body = ask(&cache, chat("Why?", false)).await.into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    settle().await;
    assert!(read(&cache, chat("Why?", false)).await.0.contains("hit"));
}
