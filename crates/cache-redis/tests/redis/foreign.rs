use dashpot_cache::{Index, Leases, Removal, Store};

use crate::support::{Fixture, entry, key, place, shared, tenant};

#[tokio::test]
async fn what_is_no_entry_or_one_of_another_place_is_not_there() {
    for fixture in Fixture::each().await {
        let store = &fixture.store;
        for number in 1..=2 {
            store.put(shared(entry(place(1, number), Some(&[1.0, 0.0]))), None).await.unwrap();
        }
        let name = |number| format!("~{{{}}}:e{}", key(1), key(number));
        fixture.redis::<()>(&["COPY", &name(1), &name(2), "REPLACE"]).await;
        assert!(store.get(place(1, 1)).await.unwrap().is_some());
        assert!(store.get(place(1, 2)).await.unwrap().is_none());

        fixture.redis::<()>(&["HSET", &name(1), "d", "by somebody else"]).await;
        assert!(store.get(place(1, 1)).await.unwrap().is_none());
        assert!(store.get_all(key(1), &[key(1)]).await.unwrap()[0].is_none());
        assert!(store.find(&tenant("acme"), key(1)).await.unwrap().is_none());
        for near in store.search(key(1), &[1.0, 0.0], 4).await.unwrap() {
            assert!(near.entry.is_none());
        }
    }
}

/// Under all of our names, something of another type; and then it is put anew.
#[tokio::test]
async fn what_is_of_another_type_is_not_there() {
    for fixture in Fixture::each().await {
        let store = &fixture.store;
        let kept = shared(entry(place(1, 1), Some(&[1.0, 0.0])));
        store.put(kept.clone(), None).await.unwrap();
        let set = |name: String| {
            let mut set = redis::cmd("SET");
            set.arg(name).arg("by somebody else");
            let mut client = fixture.client.clone();
            async move { set.exec_async(&mut client).await.unwrap() }
        };
        let base = format!("{}:{{{}}}:", fixture.prefix, key(1));
        set(format!("{base}e{}", key(1))).await;
        set(format!("{base}v2")).await;
        assert!(store.get(place(1, 1)).await.unwrap().is_none());
        assert_eq!(store.search(key(1), &[1.0, 0.0], 4).await.unwrap().len(), 0);
        let acquired = store.acquire(place(1, 1), std::time::Duration::from_secs(1)).await.unwrap();
        assert!(acquired.1.is_none());
        Store::remove(store, Removal::Tenant(tenant("acme"))).await.unwrap();
        assert!(store.put(kept.clone(), None).await.unwrap());
        assert!(store.get(place(1, 1)).await.unwrap().is_some());
        // A lease that is none, and never ends, keeps nobody from having one.
        set(format!("{base}l{}", key(2))).await;
        let acquired = store.acquire(place(1, 2), std::time::Duration::from_secs(1)).await.unwrap();
        assert!(matches!(acquired.0, dashpot_cache::Acquired::Ours(_)), "{acquired:?}");
    }
}

#[tokio::test]
async fn lists_of_another_type_are_an_error_and_nothing_is_kept_that_could_not_be_removed() {
    let fixture = Fixture::start().await;
    let store = &fixture.store;
    store.put(shared(entry(place(1, 1), None)), None).await.unwrap();
    let lists: Vec<Vec<u8>> = fixture.redis(&["KEYS", &format!("{}:*s*", fixture.prefix)]).await;
    for list in fixture.keys().await {
        let is_list = fixture_type(&fixture, &list).await == "zset";
        if is_list {
            let mut set = redis::cmd("SET");
            set.arg(list).arg("by somebody else").exec_async(&mut fixture.client.clone()).await.unwrap();
        }
    }
    assert!(!lists.is_empty());
    store.put(shared(entry(place(1, 2), None)), None).await.unwrap_err();
    Store::remove(store, Removal::Tenant(tenant("acme"))).await.unwrap_err();
    assert!(store.get(place(1, 2)).await.unwrap().is_none());
    assert!(store.get(place(1, 1)).await.unwrap().is_some());
}

async fn fixture_type(fixture: &Fixture, key: &[u8]) -> String {
    redis::cmd("TYPE").arg(key).query_async(&mut fixture.client.clone()).await.unwrap()
}

#[tokio::test]
async fn scripts_and_indexes_that_were_thrown_away_are_made_again() {
    for fixture in [Fixture::each().await.into_iter().next_back().unwrap()] {
        let store = &fixture.store;
        let kept = shared(entry(place(1, 1), Some(&[1.0, 0.0])));
        store.put(kept.clone(), None).await.unwrap();
        fixture.redis::<()>(&["SCRIPT", "FLUSH"]).await;
        fixture.redis::<()>(&["FT.DROPINDEX", "~i2"]).await;
        assert_eq!(store.search(key(1), &[1.0, 0.0], 4).await.unwrap().len(), 0);
        store.put(kept, None).await.unwrap();
        assert_eq!(store.search(key(1), &[1.0, 0.0], 4).await.unwrap().len(), 1);
    }
}
