use std::collections::HashMap;

use dashpot_cache::{Entry, Place, Removal, Store};

use crate::support::{Fixture, entry, key, place, shared, tenant};

#[tokio::test]
async fn what_is_kept_is_found_at_its_place_only() {
    let fixture = Fixture::start().await;
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

#[tokio::test]
async fn what_is_past_its_time_is_not_given_and_is_cleared_away_by_what_comes_after() {
    let fixture = Fixture::start().await;
    let store = &fixture.store;
    for number in 0..20 {
        store.put(shared(entry(place(1, number), Some(&[1.0, 0.0]))), None).await.unwrap();
    }
    fixture.execute("UPDATE {}.entry SET expires = now() - interval '1 ms'").await;
    assert!(store.get(place(1, 1)).await.unwrap().is_none());
    assert!(store.get_all(key(1), &[key(1)]).await.unwrap()[0].is_none());
    assert!(store.find(&tenant("acme"), key(1)).await.unwrap().is_none());
    // The first takes the place of one that is past its time, and four go with each.
    for number in 0..5 {
        store.put(shared(entry(place(1, 19 + number), None)), None).await.unwrap();
    }
    assert_eq!(fixture.number("SELECT count(*) FROM {}.entry").await, 5);
    assert!(store.get(place(1, 19)).await.unwrap().is_some());
}

#[tokio::test]
async fn an_entry_without_time_left_takes_the_place_of_what_was_there() {
    let fixture = Fixture::start().await;
    let store = &fixture.store;
    store.put(shared(entry(place(1, 1), None)), None).await.unwrap();
    let over = Entry { fresh_ms: 0, ..entry(place(1, 1), None) };
    store.put(shared(over), None).await.unwrap();
    assert!(store.get(place(1, 1)).await.unwrap().is_none());
    // And one that is to be kept for ever is kept for long.
    let ever = Entry { fresh_ms: u64::MAX, ..entry(place(1, 1), None) };
    store.put(shared(ever), None).await.unwrap();
    assert!(store.get(place(1, 1)).await.unwrap().is_some());
}

#[tokio::test]
async fn thousands_are_removed_by_tag_and_by_tenant_and_no_others() {
    let fixture = Fixture::start().await;
    let store = &fixture.store;
    let tagged = Entry { tags: vec!["a*{}\0".into(), "b".into()], ..entry(place(1, 1), None) };
    let other = Entry { tenant: tenant("other"), tags: tagged.tags.clone(), ..entry(place(2, 2), None) };
    store.put(shared(tagged), None).await.unwrap();
    store.put(shared(other), None).await.unwrap();
    // As they are once the tags of one entry are those of thousands.
    let copies = "INSERT INTO {}.entry SELECT sha256(i::text::bytea), partition, tenant, tags, expires, NULL, NULL, data
        FROM {}.entry, generate_series(1, 2500) i";
    fixture.execute(copies).await;
    store.put(shared(entry(place(1, 3), None)), None).await.unwrap();

    store.remove(Removal::Tagged(tenant("acme"), "c".into())).await.unwrap();
    assert_eq!(fixture.number("SELECT count(*) FROM {}.entry").await, 5003);
    store.remove(Removal::Tagged(tenant("acme"), "a*{}\0".into())).await.unwrap();
    assert_eq!(fixture.number("SELECT count(*) FROM {}.entry").await, 2502);
    assert!(store.get(place(2, 2)).await.unwrap().is_some());
    store.remove(Removal::Entry(tenant("other"), key(3))).await.unwrap();
    assert!(store.get(place(1, 3)).await.unwrap().is_some());
    store.remove(Removal::Tenant(tenant("other"))).await.unwrap();
    assert_eq!(fixture.number("SELECT count(*) FROM {}.entry").await, 1);
    store.remove(Removal::Entry(tenant("acme"), key(3))).await.unwrap();
    assert_eq!(fixture.number("SELECT count(*) FROM {}.entry").await, 0);
}

#[tokio::test]
async fn what_is_no_entry_or_one_of_another_place_is_not_there() {
    let fixture = Fixture::start().await;
    let store = &fixture.store;
    for number in 1..=2 {
        store.put(shared(entry(place(1, number), Some(&[1.0, 0.0]))), None).await.unwrap();
    }
    fixture.execute("UPDATE {}.entry SET data = (SELECT max(data) FROM {}.entry)").await;
    let found = [store.get(place(1, 1)).await.unwrap(), store.get(place(1, 2)).await.unwrap()];
    assert_eq!(found.iter().flatten().count(), 1);
    fixture.execute("UPDATE {}.entry SET data = 'by somebody else'").await;
    assert!(store.get(place(1, 1)).await.unwrap().is_none());
    assert!(store.get_all(key(1), &[key(1)]).await.unwrap()[0].is_none());
    assert!(store.find(&tenant("acme"), key(1)).await.unwrap().is_none());
}

/// Whatever is put, replaced and removed, in whatever order: what is found is what was put last at that place, and nobody's else.
#[tokio::test]
async fn nobody_is_ever_given_what_is_anothers() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let (fixture, mut random) = (Fixture::start().await, fastrand::Rng::with_seed(seed));
    let (store, mut model) = (&fixture.store, HashMap::new());
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
                store.remove(what.clone()).await.unwrap();
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
                assert_eq!(found.as_ref().map(|found| &found.answer), wanted.map(|wanted| &wanted.answer));
                assert_eq!(found.as_ref().map(|found| &found.tenant), wanted.map(|wanted| &wanted.tenant));
            }
            8 => {
                let found = store.find(&owner, place.key).await.unwrap();
                let has = model.values().any(|kept| kept.tenant == owner && kept.key == place.key);
                assert_eq!(found.is_some(), has);
                assert!(found.is_none_or(|found| found.tenant == owner && found.key == place.key));
            }
            _ => {
                let near =
                    dashpot_cache::Index::search(store, place.partition, &[1.0, 0.2], 10).await.unwrap();
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
