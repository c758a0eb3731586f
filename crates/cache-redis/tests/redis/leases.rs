use std::time::Duration;

use dashpot_cache::{Acquired, Lease, Leases, Released, Store};
use dashpot_cache_redis::RedisStore;

use crate::support::{Fixture, entry, key, place, shared};

const LONG: Duration = Duration::from_secs(60);

async fn ours(store: &RedisStore, time: Duration) -> Lease {
    match store.acquire(place(1, 1), time).await.unwrap() {
        (Acquired::Ours(lease), None) => lease,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn of_many_who_ask_at_once_one_has_the_lease() {
    let fixture = Fixture::start().await;
    let asked = (0..100).map(|_| fixture.store.acquire(place(1, 1), LONG));
    let all = futures_util::future::try_join_all(asked).await.unwrap();
    let ours = all.iter().filter(|(acquired, _)| matches!(acquired, Acquired::Ours(_))).count();
    let theirs = all.iter().filter(|(acquired, _)| *acquired == Acquired::Theirs).count();
    assert_eq!((ours, theirs), (1, 99));
}

#[tokio::test]
async fn who_lost_the_lease_writes_nothing_over_what_came_after() {
    let fixture = Fixture::start().await;
    let (store, kept) = (&fixture.store, shared(entry(place(1, 1), None)));
    let lost = ours(store, Duration::from_millis(1)).await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert!(!store.renew(lost, LONG).await.unwrap());
    assert!(!store.put(kept.clone(), Some(lost)).await.unwrap(), "it has ended");
    let held = ours(store, LONG).await;
    assert!(!store.put(kept.clone(), Some(lost)).await.unwrap(), "it is another's");
    store.release(lost, Released::Kept).await.unwrap();
    assert!(store.renew(held, LONG).await.unwrap());
    assert!(store.put(kept, Some(held)).await.unwrap());
    store.release(held, Released::Kept).await.unwrap();
    let (acquired, found) = store.acquire(place(1, 1), LONG).await.unwrap();
    assert!(matches!(acquired, Acquired::Ours(_)) && found.is_some(), "{acquired:?}");
}

#[tokio::test]
async fn an_answer_that_is_not_kept_is_said_for_a_while() {
    let fixture = Fixture::start().await;
    let store = &fixture.store;
    let lease = ours(store, LONG).await;
    store.release(lease, Released::NotKept(Duration::from_millis(500))).await.unwrap();
    assert_eq!(store.acquire(place(1, 1), LONG).await.unwrap().0, Acquired::Nothing);
    assert!(!store.renew(lease, LONG).await.unwrap());
    assert!(!store.put(shared(entry(place(1, 1), None)), Some(lease)).await.unwrap());
    tokio::time::sleep(Duration::from_millis(510)).await;
    ours(store, LONG).await;
}

/// To look at the lease and to write is one step: who takes over finds what was kept.
#[tokio::test]
async fn a_lease_is_not_taken_over_while_its_holder_writes() {
    let fixture = Fixture::start().await;
    let store = &fixture.store;
    for number in 0..50 {
        fixture.redis::<()>(&["DEL", &format!("~{{{}}}:l{}", key(1), key(1))]).await;
        fixture.redis::<()>(&["DEL", &format!("~{{{}}}:e{}", key(1), key(1))]).await;
        let lease = ours(store, Duration::from_millis(2 + number % 3)).await;
        let put = async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            store.put(shared(entry(place(1, 1), None)), Some(lease)).await.unwrap()
        };
        let take = async {
            loop {
                let (acquired, found) = store.acquire(place(1, 1), LONG).await.unwrap();
                if matches!(acquired, Acquired::Ours(_)) {
                    return found.is_some();
                }
            }
        };
        let (kept, found) = tokio::join!(put, take);
        assert_eq!(
            kept, found,
            "what was kept before the lease was taken is seen, and nothing is kept after"
        );
    }
}

#[tokio::test]
async fn the_leases_of_who_is_gone_end_by_themselves() {
    let fixture = Fixture::start().await;
    for number in 0..20 {
        fixture.store.acquire(place(1, number), Duration::ZERO).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    fixture.store.acquire(place(1, 20), LONG).await.unwrap();
    assert_eq!(fixture.count("l").await, 1);
}
