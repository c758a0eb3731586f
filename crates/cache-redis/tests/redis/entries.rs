use std::{collections::HashMap, time::Duration};

use dashpot_cache::{Entry, Index, Place, Removal, Store};
use futures_util::future::try_join_all;

use crate::support::{Fixture, entry, key, place, shared, tenant};

#[tokio::test]
async fn what_is_kept_is_found_at_its_place_only() {
    for fixture in Fixture::each().await {
        let store = &fixture.store;
        let big: Vec<u8> = (0..1 << 20).map(|_| fastrand::u8(..)).collect();
        let kept = Entry { answer: big.clone().into(), ..entry(place(1, 1), None) };
        assert!(store.put(shared(kept), None).await.unwrap());
        let found = store.get(place(1, 1)).await.unwrap().unwrap();
        assert_eq!((found.place(), &*found.answer), (place(1, 1), &*big));
        assert!(store.get(place(2, 1)).await.unwrap().is_none());
        assert!(store.get(place(1, 2)).await.unwrap().is_none());

        let all = store.get_all(key(1), &[key(2), key(1), key(1)]).await.unwrap();
        assert_eq!(all.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, true]);
        assert!(store.find(&tenant("acme"), key(1)).await.unwrap().is_some());
        assert!(store.find(&tenant("other"), key(1)).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn all_that_was_written_ends_by_itself() {
    for fixture in Fixture::each().await {
        let store = &fixture.store;
        for number in 0..20 {
            let tags = vec!["a".into(), number.to_string().into()];
            let vector = [1.0, 0.0];
            let kept = Entry { tags, fresh_ms: 100, stale_ms: 100, ..entry(place(1, number), Some(&vector)) };
            assert!(store.put(shared(kept.clone()), None).await.unwrap());
            store.insert(&kept).await.unwrap();
        }
        assert!(store.get(place(1, 19)).await.unwrap().is_some());
        assert!(fixture.keys().await.len() > 20);
        tokio::time::sleep(Duration::from_millis(250)).await;
        assert!(store.get(place(1, 19)).await.unwrap().is_none());
        assert!(store.find(&tenant("acme"), key(19)).await.unwrap().is_none());
        assert_eq!(store.search(key(1), &[1.0, 0.0], 4).await.unwrap().len(), 0);
        let left: u64 = fixture
            .redis(&["EVAL", "return #redis.call('KEYS', ARGV[1])", "0", &format!("{}:*", fixture.prefix)])
            .await;
        assert_eq!(left, 0);
    }
}

/// Lists and vector sets live on as long as something comes; what ended meanwhile is cleared away by that.
#[tokio::test]
async fn lists_that_live_on_do_not_grow() {
    let fixture = Fixture::start().await;
    let store = &fixture.store;
    let vector = [1.0, 0.0];
    let kept = |number, fresh_ms| {
        let tags = vec!["a".into()];
        shared(Entry { tags, fresh_ms, ..entry(place(1, number), Some(&vector)) })
    };
    store.put(kept(0, 60_000), None).await.unwrap();
    try_join_all((1..41).map(|number| store.put(kept(number, 50), None))).await.unwrap();
    tokio::time::sleep(Duration::from_millis(60)).await;
    for number in 41..51 {
        store.put(kept(number, 60_000), None).await.unwrap();
    }
    let set = format!("~{{{}}}:v2", key(1));
    assert_eq!(fixture.redis::<u64>(&["VCARD", &set]).await, 11);
    let lists: Vec<Vec<u8>> = fixture.redis(&["KEYS", &format!("{}:{{*}}:s*", fixture.prefix)]).await;
    assert_eq!(lists.len(), 2, "of the tenant and of the tag");
    for list in lists {
        let mut count = redis::cmd("ZCARD");
        assert_eq!(count.arg(list).query_async::<u64>(&mut fixture.client.clone()).await.unwrap(), 11);
    }
}

#[tokio::test]
async fn an_entry_without_time_left_takes_the_place_of_what_was_there() {
    let fixture = Fixture::start().await;
    let store = &fixture.store;
    store.put(shared(entry(place(1, 1), None)), None).await.unwrap();
    let over = Entry { fresh_ms: 0, ..entry(place(1, 1), None) };
    assert!(store.put(shared(over), None).await.unwrap());
    assert!(store.get(place(1, 1)).await.unwrap().is_none());
    // And one that is to be kept for ever is kept for long.
    let ever = Entry { fresh_ms: u64::MAX, ..entry(place(1, 1), None) };
    store.put(shared(ever), None).await.unwrap();
    assert!(store.get(place(1, 1)).await.unwrap().is_some());
}

#[tokio::test]
async fn thousands_are_removed_by_tag_and_by_tenant_and_no_others() {
    for fixture in Fixture::each().await {
        let store = &fixture.store;
        let tags = || vec!["a*{}\0".into(), "b".into()];
        let put = |number: u64| {
            store.put(
                shared(Entry { tags: tags(), ..entry(place(number % 3, number), Some(&[1.0, 0.5])) }),
                None,
            )
        };
        for some in 0..5 {
            try_join_all((500 * some..500 * some + 500).map(put)).await.unwrap();
        }
        let other = Entry { tenant: tenant("other"), tags: tags(), ..entry(place(2, 5_000), None) };
        store.put(shared(other), None).await.unwrap();
        store.put(shared(entry(place(1, 5_001), None)), None).await.unwrap();
        assert_eq!(fixture.count("e").await, 2502);

        Store::remove(store, Removal::Tagged(tenant("acme"), "c".into())).await.unwrap();
        assert_eq!(fixture.count("e").await, 2502);
        Store::remove(store, Removal::Tagged(tenant("acme"), "a*{}\0".into())).await.unwrap();
        assert_eq!(fixture.count("e").await, 2);
        assert_eq!(store.search(key(1), &[1.0, 0.5], 4).await.unwrap().len(), 0);
        assert_eq!(fixture.count("v").await, 0, "an empty vector set is none");
        assert!(store.get(place(2, 5_000)).await.unwrap().is_some());
        Store::remove(store, Removal::Entry(tenant("other"), key(5_001))).await.unwrap();
        assert!(store.get(place(1, 5_001)).await.unwrap().is_some());
        Store::remove(store, Removal::Tenant(tenant("other"))).await.unwrap();
        assert_eq!(fixture.count("e").await, 1);
        Store::remove(store, Removal::Entry(tenant("acme"), key(5_001))).await.unwrap();
        assert_eq!(fixture.count("e").await, 0);
    }
}

/// Between what is on the lists and what is removed, nothing is forgotten: what was put while it was removed can be removed later.
#[tokio::test]
async fn what_is_put_during_a_removal_can_be_removed_by_the_next() {
    let fixture = Fixture::start().await;
    let store = &fixture.store;
    let put = |number: u64| {
        let kept = Entry { tags: vec!["a".into()], ..entry(place(number % 7, number), None) };
        async move { store.put(shared(kept), None).await.map(drop) }
    };
    let remove = || Store::remove(store, Removal::Tagged(tenant("acme"), "a".into()));
    let puts = try_join_all((0..400).map(put));
    let removals = try_join_all((0..20).map(|_| remove()));
    let (puts, removals) = tokio::join!(puts, removals);
    puts.and(removals).unwrap();
    remove().await.unwrap();
    assert_eq!(fixture.count("e").await, 0);
}

/// Whatever is put, replaced and removed, in whatever order: what is found is what was put last at that place, and nobody's else.
#[tokio::test]
async fn nobody_is_ever_given_what_is_anothers() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    for fixture in Fixture::each().await {
        let (store, mut model) = (&fixture.store, HashMap::new());
        let mut random = fastrand::Rng::with_seed(seed);
        let names = ["acme", "acme ", "Acme", "{acme}*"].map(tenant);
        for step in 0..600 {
            let place = place(random.u64(0..4), random.u64(0..6));
            let (owner, tag) = (random.choice(&names).unwrap().clone(), random.u8(0..3).to_string());
            match random.u8(0..10) {
                0 => {
                    let what = match random.u8(0..3) {
                        0 => Removal::Entry(owner, place.key),
                        1 => Removal::Tagged(owner, tag),
                        _ => Removal::Tenant(owner),
                    };
                    Store::remove(store, what.clone()).await.unwrap();
                    model.retain(|_, entry: &mut Entry| !what.is_about(entry));
                }
                1..5 => {
                    let vector = [random.f32() - 0.5, random.f32() - 0.5];
                    let (tags, answer) = (vec![tag.into()], format!("{{\"step\":{step}}}").into());
                    let entry = Entry { tenant: owner, tags, answer, ..entry(place, Some(&vector)) };
                    store.put(shared(entry.clone()), None).await.unwrap();
                    model.insert(place, entry);
                }
                5..8 => {
                    let found = store.get(place).await.unwrap();
                    let wanted = model.get(&place);
                    assert_eq!(
                        found.as_ref().map(|found| &found.answer),
                        wanted.map(|wanted| &wanted.answer)
                    );
                    assert_eq!(
                        found.as_ref().map(|found| &found.tenant),
                        wanted.map(|wanted| &wanted.tenant)
                    );
                }
                8 => {
                    let found = store.find(&owner, place.key).await.unwrap();
                    let has = model.values().any(|kept| kept.tenant == owner && kept.key == place.key);
                    assert_eq!(found.is_some(), has);
                    assert!(found.is_none_or(|found| found.tenant == owner && found.key == place.key));
                }
                _ => {
                    let near = store.search(place.partition, &[1.0, 0.2], 10).await.unwrap();
                    let there = model.keys().filter(|kept| kept.partition == place.partition).count();
                    assert_eq!(near.len(), there.min(10));
                    for near in near {
                        let found = near.entry.unwrap();
                        assert_eq!(found.place(), Place { key: near.key, ..place });
                        assert_eq!(found.answer, model[&found.place()].answer);
                    }
                }
            }
        }
    }
}
