//! Who leaves, at any moment, leaves nobody behind.

use dashpot_cache::{CacheLayer, Leases, MemoryStore, Place, Store};
use dashpot_testkit::body::Scripted;
use tokio::time::{Instant, sleep, timeout};

use super::{LOOK, Script, caches, layer};
use crate::support::{
    DONE, Model, SECOND, STOP, USAGE, ask, cache, chat, completion, content, events, read, settle, since,
    tenant, text, whole,
};

/// Whoever of all processes makes the call leaves before the head, in the middle of the body, or just behind it.
#[tokio::test(start_paused = true)]
async fn of_one_who_makes_the_call_and_leaves_one_other_takes_over() {
    for tenths in 1..45 {
        let answer =
            || events(Scripted::new().data(content("a")).wait(SECOND).data(STOP).data(USAGE).data(DONE));
        let model = Model::default().after(SECOND, answer()).after(SECOND, answer());
        let (layers, caches) = caches(3, &model);
        let left_after = tenths * SECOND / 20;
        let leader = timeout(left_after, async { text(ask(&caches[0], chat("Why?", true)).await).await });
        let start = Instant::now();
        let other = async |n: usize| {
            settle().await;
            let (_, text) =
                timeout(60 * SECOND, read(&caches[n], chat("Why?", n == 1))).await.expect("it hangs");
            assert!(text.contains("\"a\""), "{text}");
            since(start)
        };
        let (left, one, two) = tokio::join!(leader, other(1), other(2));
        let calls = model.calls();
        assert_eq!(calls, if left.is_ok() { 1 } else { 2 }, "left after {left_after:?}");
        let longest = if calls == 1 { 2 * SECOND } else { left_after + 2 * SECOND + LOOK };
        assert!(one.max(two) <= longest + LOOK, "left after {left_after:?}: {one:?} {two:?}");
        let stored: u64 = layers.iter().map(|layer| layer.handle().stats().stored).sum();
        assert_eq!(stored, 1);
    }
}

/// While a lease is asked for: before it is taken, after it was and nobody has heard it, and between two looks.
#[tokio::test(start_paused = true)]
async fn who_leaves_while_a_lease_is_asked_for_holds_it_for_three_seconds_at_most() {
    let ms = SECOND / 1000;
    for (left_after, is_taken) in [(10 * ms, false), (30 * ms, true), (39 * ms, true)] {
        let store = MemoryStore::new(1 << 24);
        let script = Script::new(&store);
        script.set(|ways| (ways.before, ways.after) = (20 * ms, 20 * ms));
        let layer_of = || CacheLayer::new(store.clone(), tenant).leases(script.clone());
        let model = Model::default().then(whole(&completion("a")));
        let (first, second) = (cache(&layer_of(), &model), cache(&layer_of(), &model));
        assert!(timeout(left_after, ask(&first, chat("Why?", false))).await.is_err());
        assert_eq!(model.calls(), 0);
        let start = Instant::now();
        read(&second, chat("Why?", false)).await;
        assert!(since(start) <= 3 * SECOND + 2 * LOOK, "{:?}", since(start));
        assert_eq!(since(start) > SECOND, is_taken, "{:?}", since(start));
        assert_eq!(model.calls(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_and_leave_leave_nothing_behind() {
    let store = MemoryStore::new(1 << 24);
    let script = Script::new(&store);
    let model = Model::default().after(20 * SECOND, whole(&completion("a")));
    let holder = cache(&layer(&store), &model);
    let waiting = cache(&CacheLayer::new(store.clone(), tenant).leases(script.clone()), &model);
    let holder = tokio::spawn(async move { read(&holder, chat("Why?", false)).await });
    settle().await;
    for ms in (1..400).step_by(7) {
        let left = timeout(ms * SECOND / 1000, ask(&waiting, chat("Why?", false))).await;
        assert!(left.is_err());
    }
    let asked = script.asked();
    sleep(5 * SECOND).await;
    assert_eq!(script.asked(), asked, "nobody looks any more");
    holder.await.unwrap();
    settle().await;
    assert!(read(&waiting, chat("Why?", false)).await.0.starts_with("dashpot; hit"));
    assert_eq!(model.calls(), 1);
}

/// Of those who wait in one process, any may leave, also the first of them.
#[tokio::test(start_paused = true)]
async fn those_who_wait_together_need_none_of_each_other() {
    let model = Model::default().after(5 * SECOND, whole(&completion("a")));
    let (_, caches) = caches(2, &model);
    let first = async {
        settle().await;
        timeout(SECOND, read(&caches[1], chat("Why?", false))).await
    };
    let second = async {
        sleep(SECOND / 2).await;
        read(&caches[1], chat("Why?", false)).await
    };
    let (_, first, (_, second)) = tokio::join!(read(&caches[0], chat("Why?", false)), first, second);
    assert!(first.is_err() && second.contains("\"a\""));
    assert_eq!(model.calls(), 1);
}

/// And its lease is another's at once.
#[tokio::test(start_paused = true)]
async fn when_all_have_left_the_lease_is_given_back() {
    let store = MemoryStore::new(1 << 24);
    let model = Model::default().after(9 * SECOND, whole(&completion("a"))).then(whole(&completion("b")));
    let [one, two] = [(); 2].map(|()| cache(&layer(&store), &model));
    assert!(timeout(SECOND, ask(&one, chat("Why?", false))).await.is_err());
    settle().await;
    let start = Instant::now();
    let (_, text) = read(&two, chat("Why?", false)).await;
    assert!(text.contains("\"b\"") && since(start) < LOOK, "{:?}", since(start));
    // What was kept there can be kept again by anybody.
    let key = read(&one, chat("Why?", false)).await.0;
    assert!(key.starts_with("dashpot; hit"));
    let entry =
        store.find(&dashpot_core::Tenant::new("acme").unwrap(), key_of(&one).await).await.unwrap().unwrap();
    let (acquired, _) = store.acquire(Place { ..entry.place() }, SECOND).await.unwrap();
    assert!(matches!(acquired, dashpot_cache::Acquired::Ours(_)), "{acquired:?}");
}

/// The key of the answer to "Why?", as it is said.
pub(super) async fn key_of(cache: &dashpot_cache::Cache<Model, MemoryStore>) -> dashpot_cache::Key {
    let answer = ask(cache, chat("Why?", false)).await;
    let said = answer.headers()["cache-status"].to_str().unwrap();
    said.split("key=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap()
}
