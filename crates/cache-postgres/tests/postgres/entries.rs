use dashpot_cache::{Entry, Removal, Store};

use crate::support::{Fixture, entry, key, place, shared, tenant, until};

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
async fn one_that_is_written_anew_during_a_removal_does_not_end_it() {
    let fixture = Fixture::start().await;
    let store = &fixture.store;
    store.put(shared(entry(place(1, 1), None)), None).await.unwrap();
    let copies = "INSERT INTO {}.entry SELECT sha256(i::text::bytea), partition, tenant, tags, expires, NULL, NULL, data
        FROM {}.entry, generate_series(1, 2500) i";
    fixture.execute(copies).await;
    // As another gateway would write one of the first that are removed.
    fixture.client.batch_execute("BEGIN").await.unwrap();
    fixture.execute("UPDATE {}.entry SET data = data WHERE key = (SELECT min(key) FROM {}.entry)").await;
    let removal = tokio::spawn({
        let store = store.clone();
        async move { store.remove(Removal::Tenant(tenant("acme"))).await }
    });
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%{}%'";
    until("the removal waits for it", || async { fixture.number(waiting).await == 1 }).await;
    fixture.client.batch_execute("COMMIT").await.unwrap();
    removal.await.unwrap().unwrap();
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
