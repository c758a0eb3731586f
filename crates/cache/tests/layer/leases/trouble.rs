//! What fails, hangs or is not kept makes nobody wait for it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use dashpot_cache::{CacheLayer, Entry, MemoryStore, RequestBody, Store};
use dashpot_core::Tenant;
use dashpot_testkit::{body::Scripted, strict::Strict};
use futures_util::future::join_all;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use tokio::time::{Instant, sleep, timeout};
use tower::{Layer, ServiceExt};

use super::{LOOK, Script, caches, layer};
use crate::support::{
    Model, SECOND, ask, cache, chat, completion, content, events, read, settle, since, tenant, whole,
};

/// Who waits makes a call of its own when it is known that the answer is not one to keep: all of them at once.
#[tokio::test(start_paused = true)]
async fn those_who_wait_for_what_is_not_kept_call_at_once() {
    let with = |name, value: &'static str| {
        let mut answer = whole(&completion("a"));
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
        answer
    };
    let status = |status| {
        let mut answer = whole(&completion("a"));
        *answer.status_mut() = status;
        answer
    };
    let tool = || {
        let mut call = completion("a");
        call["choices"][0]["finish_reason"] = "tool_calls".into();
        whole(&call)
    };
    let long = content(&"x".repeat(1 << 20));
    // Its answer, and when it is known.
    type Made<'a> = Box<dyn Fn() -> Response<Scripted> + 'a>;
    let answers: [(Made<'_>, u32); 9] = [
        (Box::new(|| status(StatusCode::INTERNAL_SERVER_ERROR)), 1),
        (Box::new(|| status(StatusCode::TOO_MANY_REQUESTS)), 1),
        (Box::new(|| with(header::CACHE_CONTROL, "no-store")), 1),
        (Box::new(|| with(header::CONTENT_ENCODING, "gzip")), 1),
        (Box::new(|| with(header::CONTENT_TYPE, "text/html")), 1),
        (Box::new(tool), 1),
        (Box::new(|| events(Scripted::new().data(long.clone()).data("\n").wait(60 * SECOND))), 1),
        (Box::new(|| events(Scripted::new().data(content("a")).wait(SECOND).error("reset"))), 2),
        (Box::new(|| events(Scripted::new().data(content("a")).wait(SECOND))), 2),
    ];
    for (n, (answer, known)) in answers.iter().enumerate() {
        let model = (0..10).fold(Model::default(), |model, _| model.after(SECOND, answer()));
        let (layers, caches) = caches(10, &model);
        let begin = async |at: usize| {
            if at > 0 {
                settle().await;
            }
            let answer = ask(&caches[at], chat("Why?", true)).await;
            (Instant::now(), answer)
        };
        let start = Instant::now();
        let all = timeout(30 * SECOND, async {
            let heads = join_all((0..10).map(begin));
            let rest = async {
                // The first is read to its end, beside the others who wait.
                let (_, answer) = begin(0).await;
                drop(http_body_util::BodyExt::collect(answer.into_body()).await);
            };
            tokio::select! { heads = heads => heads, () = async { rest.await; std::future::pending().await } => unreachable!() }
        });
        let heads = all.await.unwrap_or_else(|_| panic!("answer {n}: somebody hangs"));
        for (at, _) in heads {
            let took = at.saturating_duration_since(start);
            assert!(took <= (known + 1) * SECOND + LOOK, "answer {n}: {took:?}");
        }
        assert_eq!(model.calls(), 10, "answer {n}");
        assert!(layers.iter().all(|layer| layer.handle().stats().stored == 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_fails_is_told_to_one_and_the_others_call_for_themselves() {
    let store = MemoryStore::new(1 << 24);
    let inner = Strict::new(move |_: Request<RequestBody<Full<Bytes>>>| async {
        sleep(SECOND).await;
        Err::<Response<Scripted>, _>("it broke")
    })
    .pending_first(1);
    let probe = inner.probe();
    let caches: Vec<_> = (0..5).map(|_| layer(&store).layer(inner.clone())).collect();
    let start = Instant::now();
    let asking = (0..15).map(|n| caches[n % 5].clone().oneshot(chat("Why?", false)));
    let answers = timeout(10 * SECOND, join_all(asking)).await.expect("nobody hangs");
    assert!(answers.iter().all(Result::is_err));
    assert!(since(start) <= 3 * SECOND + LOOK, "{:?}", since(start));
    assert_eq!(probe.calls(), 15);
}

/// It is cut off from the store, or stopped: what it says after that is no more than an answer to who still listens to it.
#[tokio::test(start_paused = true)]
async fn one_who_is_cut_off_is_replaced_and_writes_over_nothing() {
    let store = MemoryStore::new(1 << 24);
    let script = Script::new(&store);
    script.set(|ways| ways.is_cut_off = true);
    let dead = CacheLayer::new(store.clone(), tenant).leases(script.clone());
    let model = Model::default()
        .after(10 * SECOND, whole(&completion("late")))
        .after(SECOND, whole(&completion("b")));
    let (first, handle) = (cache(&dead, &model), dead.handle());
    let others = [(); 4].map(|()| cache(&layer(&store), &model));
    let start = Instant::now();
    let rest = join_all(others.iter().map(async |cache| {
        settle().await;
        let answer = read(cache, chat("Why?", false)).await;
        (answer.1, since(start))
    }));
    let (late, rest) = tokio::join!(read(&first, chat("Why?", false)), rest);
    assert!(late.1.contains("late"));
    for (text, took) in rest {
        assert!(text.contains("\"b\"") && took <= 4 * SECOND + 2 * LOOK, "{took:?}: {text}");
    }
    settle().await;
    assert!(read(&others[0], chat("Why?", false)).await.1.contains("\"b\""));
    assert_eq!((model.calls(), handle.stats().stored), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn leases_that_fail_or_hang_cost_no_more_than_the_stores_budget_and_then_nothing() {
    let ms = SECOND / 1000;
    for (n, cost) in [(0, Duration::ZERO), (1, 50 * ms), (2, Duration::ZERO)] {
        let store = MemoryStore::new(1 << 24);
        let script = Script::new(&store);
        let layer = CacheLayer::new(store, tenant).leases(script.clone());
        script.set(|ways| match n {
            0 => ways.fails = true,
            1 => ways.after = 100 * SECOND,
            _ => ways.panics = true,
        });
        let model = (0..30).fold(Model::default(), |model, _| model.then(whole(&completion("a"))));
        let cache = cache(&layer, &model);
        let mut all = Duration::ZERO;
        for question in 0..20 {
            let start = Instant::now();
            read(&cache, chat(&question.to_string(), false)).await;
            assert!(since(start) <= cost + 2 * ms, "{:?}", since(start));
            all += since(start);
        }
        assert!(all <= 5 * (cost + 2 * ms), "{all:?}");
        let stats = layer.handle().stats();
        assert_eq!((stats.store_failures, stats.unasked, stats.stored, script.asked()), (5, 15, 20, 5));
        // And they come back.
        script.set(|ways| *ways = <_>::default());
        sleep(20 * SECOND).await;
        read(&cache, chat("once more", false)).await;
        read(&cache, chat("and again", false)).await;
        assert_eq!((script.asked(), layer.handle().stats().unasked), (7, 15));
    }
}

/// While one waits, too.
#[tokio::test(start_paused = true)]
async fn leases_that_fail_while_one_waits_are_waited_for_no_longer() {
    let store = MemoryStore::new(1 << 24);
    let script = Script::new(&store);
    let model = Model::default().after(20 * SECOND, whole(&completion("a"))).then(whole(&completion("b")));
    let first = cache(&layer(&store), &model);
    let second = cache(&CacheLayer::new(store.clone(), tenant).leases(script.clone()), &model);
    let start = Instant::now();
    let waits = async {
        settle().await;
        (read(&second, chat("Why?", false)).await.1, since(start))
    };
    let fails = async {
        sleep(2 * SECOND).await;
        script.set(|ways| ways.fails = true);
    };
    let (_, (text, took), ()) = tokio::join!(read(&first, chat("Why?", false)), waits, fails);
    assert!(text.contains("\"b\"") && took <= 2 * SECOND + LOOK, "{took:?}: {text}");
}

/// Another tenant's, another's place, one that cannot be read, one that is too old.
#[tokio::test(start_paused = true)]
async fn what_leases_say_is_kept_is_not_believed() {
    let changes: [fn(&mut Entry); 5] = [
        |entry| entry.tenant = Tenant::new("other").unwrap(),
        |entry| entry.key = [7; 32].into(),
        |entry| entry.partition = [7; 32].into(),
        |entry| entry.answer = "{".into(),
        |entry| entry.fresh_ms = 0,
    ];
    for (n, change) in changes.into_iter().enumerate() {
        let store = MemoryStore::new(1 << 24);
        let script = Script::new(&store);
        let layer = CacheLayer::new(store.clone(), tenant).leases(script.clone());
        let model = Model::default().then(whole(&completion("a"))).then(events(crate::support::said("b")));
        let cache = cache(&layer, &model);
        let key = ask(&cache, chat("Why?", false)).await;
        drop(crate::support::text(key).await);
        settle().await;
        let key = super::left::key_of(&cache).await;
        let acme = Tenant::new("acme").unwrap();
        let mut entry = Entry::clone(&*store.find(&acme, key).await.unwrap().unwrap());
        store.remove(dashpot_cache::Removal::Tenant(acme)).await.unwrap();
        change(&mut entry);
        script.set(|ways| ways.entry = Some(Arc::new(entry)));
        let (status, text) = read(&cache, chat("Why?", true)).await;
        assert_eq!((status.as_str(), text.contains("\"b\"")), ("dashpot; fwd=miss", true), "change {n}");
    }
}
