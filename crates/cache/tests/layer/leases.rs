//! One call for all processes that share a store: here, the layers are the processes.

mod left;
mod script;
mod trouble;

use std::time::Duration;

use dashpot_cache::{Cache, CacheLayer, MemoryStore};
use dashpot_core::Deadline;
use futures_util::future::join_all;
use tokio::time::Instant;
use tower::{Layer, ServiceExt, limit::ConcurrencyLimit};

use self::script::Script;
use crate::support::{
    Model, SECOND, ask, cache, chat, completion, events, read, said, settle, since, status, tenant, text,
    whole, with,
};

/// How late one who waits looks again.
const LOOK: Duration = Duration::from_millis(110);

fn layer(store: &MemoryStore) -> CacheLayer<MemoryStore> {
    CacheLayer::new(store.clone(), tenant).leases(store.clone())
}

/// So many processes with one store, in front of one model.
fn caches(most: usize, model: &Model) -> (Vec<CacheLayer<MemoryStore>>, Vec<Cache<Model, MemoryStore>>) {
    let store = MemoryStore::new(1 << 24);
    let layers: Vec<_> = (0..most).map(|_| layer(&store)).collect();
    let caches = layers.iter().map(|layer| cache(layer, model)).collect();
    (layers, caches)
}

#[tokio::test(start_paused = true)]
async fn a_thousand_equal_questions_in_three_processes_are_one_call() {
    for stream in [false, true] {
        let answer = if stream { events(said("a").wait(SECOND)) } else { whole(&completion("a")) };
        let model = Model::default().after(SECOND, answer);
        let (layers, caches) = caches(3, &model);
        let start = Instant::now();
        let asking = (0..1000).map(|n| read(&caches[n % 3], chat("Why?", stream)));
        for (status, text) in join_all(asking).await {
            assert!(text.contains("\"a\""), "{status}: {text}");
        }
        assert!(since(start) <= 2 * SECOND + LOOK, "{:?}", since(start));
        assert_eq!(model.calls(), 1);
        let stats = layers.iter().map(|layer| layer.handle().stats());
        assert_eq!(stats.clone().map(|stats| stats.stored).sum::<u64>(), 1);
        assert_eq!(stats.clone().map(|stats| stats.misses).sum::<u64>(), 3);
        let awaited: u64 = stats.map(|stats| stats.awaited).sum();
        assert!((666..=667).contains(&awaited), "{awaited}");
    }
}

/// Whole or as a stream, it is one answer.
#[tokio::test(start_paused = true)]
async fn an_answer_of_another_process_is_had_in_ones_own_form() {
    let model = Model::default().after(SECOND, events(said("a")));
    let (_, caches) = caches(2, &model);
    let whole = async {
        settle().await;
        read(&caches[1], chat("Why?", false)).await
    };
    let (first, (said, second)) = tokio::join!(read(&caches[0], chat("Why?", true)), whole);
    assert_eq!(first.0, "dashpot; fwd=miss");
    assert!(said.starts_with("dashpot; hit") && second.contains("chat.completion\""), "{said}: {second}");
    assert_eq!(model.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_held_for_as_long_as_the_call_takes() {
    let model = Model::default().after(29 * SECOND, whole(&completion("a")));
    let (_, caches) = caches(2, &model);
    let both = join_all(caches.iter().map(|cache| read(cache, chat("Why?", false)))).await;
    assert!(both.iter().all(|(_, text)| text.contains("\"a\"")));
    assert_eq!(model.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_longer_than_is_said() {
    let slow = |model: Model, n: u32| {
        (0..n).fold(model, |model, _| model.after(60 * SECOND, whole(&completion("a"))))
    };
    let model = slow(Model::default(), 5);
    let store = MemoryStore::new(1 << 24);
    let default = cache(&layer(&store), &model);
    let quick = layer(&store).lease_wait(5 * SECOND).stream_lease_wait(2 * SECOND);
    let handle = quick.handle();
    let [one, two] =
        [&quick, &quick.clone().stream_lease_wait(Duration::ZERO)].map(|layer| cache(layer, &model));
    let began = async |cache: &Cache<_, _>, request| {
        let before = model.calls();
        let asking = ask(cache, request);
        tokio::pin!(asking);
        let start = Instant::now();
        while model.calls() == before {
            tokio::select! { _ = &mut asking => panic!("nobody has called"), () = tokio::time::sleep(LOOK / 11) => {} }
        }
        since(start)
    };
    let first = tokio::spawn(async move { text(ask(&default, chat("Why?", false)).await).await });
    settle().await;
    assert_eq!(model.calls(), 1);
    for (cache, stream, left, wait) in [
        (&one, false, None, 5 * SECOND),
        (&one, true, None, 2 * SECOND),
        (&two, true, None, Duration::ZERO),
        // With a second left there is no time to wait for long.
        (&one, false, Some(SECOND), SECOND / 2),
    ] {
        let mut request = chat("Why?", stream);
        if let Some(left) = left {
            request.extensions_mut().insert(Deadline::at((Instant::now() + left).into_std()));
        }
        let took = began(cache, request).await;
        assert!(took <= wait + LOOK / 5 && took + LOOK >= wait, "{took:?} instead of {wait:?}");
    }
    assert_eq!(handle.stats().awaited_in_vain, 3);
    first.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_wants_a_new_answer_waits_for_nobody() {
    let model = Model::default().after(5 * SECOND, whole(&completion("a"))).then(whole(&completion("b")));
    let (_, caches) = caches(2, &model);
    let start = Instant::now();
    let new = async {
        settle().await;
        let new = read(&caches[1], with(chat("Why?", false), "cache-control", "no-cache")).await;
        (new.1, since(start))
    };
    let (first, (second, took)) = tokio::join!(read(&caches[0], chat("Why?", false)), new);
    assert!(first.1.contains("\"a\"") && second.contains("\"b\"") && took < SECOND, "{took:?}");
}

/// One of all asks for another answer; the others give the one they have.
#[tokio::test(start_paused = true)]
async fn what_is_stale_is_asked_for_by_one_process() {
    let model = Model::default().then(whole(&completion("a"))).after(SECOND, whole(&completion("b")));
    let store = MemoryStore::new(1 << 24);
    let layers = [(); 3].map(|()| layer(&store).ttl(10 * SECOND).stale_while_revalidate(60 * SECOND));
    let caches = layers.map(|layer| cache(&layer, &model));
    read(&caches[0], chat("Why?", false)).await;
    tokio::time::sleep(20 * SECOND).await;
    for cache in &caches {
        assert!(read(cache, chat("Why?", false)).await.1.contains("\"a\""));
    }
    tokio::time::sleep(2 * SECOND).await;
    assert!(read(&caches[2], chat("Why?", false)).await.1.contains("\"b\""));
    assert_eq!(model.calls(), 2);
}

/// What is ready and waits is what others could use.
#[tokio::test(start_paused = true)]
async fn who_waits_for_another_process_holds_no_place_further_in() {
    let model = Model::default().after(9 * SECOND, whole(&completion("a"))).then(whole(&completion("b")));
    let store = MemoryStore::new(1 << 24);
    let first = cache(&layer(&store), &model);
    let second = layer(&store).layer(ConcurrencyLimit::new(model.clone(), 1));
    let (start, ask) = (Instant::now(), |text| second.clone().oneshot(chat(text, false)));
    let other = async {
        tokio::time::sleep(SECOND).await;
        ask("Where?").await.unwrap();
        since(start)
    };
    let waits = async {
        settle().await;
        ask("Why?").await.unwrap()
    };
    let (_, waited, other) = tokio::join!(read(&first, chat("Why?", false)), waits, other);
    assert!(status(&waited).starts_with("dashpot; hit"));
    assert_eq!((other, model.calls()), (SECOND, 2));
}

/// Whom it does not concern, it costs nothing.
#[tokio::test(start_paused = true)]
async fn leases_are_asked_for_at_a_miss_only() {
    let store = MemoryStore::new(1 << 24);
    let script = Script::new(&store);
    let layer = CacheLayer::new(store, tenant).leases(script.clone());
    let model = (0..3).fold(Model::default(), |model, _| model.then(whole(&completion("a"))));
    let cache = cache(&layer, &model);
    read(&cache, chat("Why?", false)).await;
    assert_eq!(script.asked(), 1);
    read(&cache, chat("Why?", false)).await;
    read(&cache, with(chat("Why?", false), "cache-control", "no-store")).await;
    read(&cache, with(chat("Why?", false), "cache-control", "no-cache")).await;
    assert_eq!((script.asked(), model.calls()), (1, 3));
}
