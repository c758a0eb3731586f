//! Checks of stores.

use std::{sync::Arc, time::Duration};

use dashpot_cache::{Entry, Place, Removal, Store};
use dashpot_core::{Embedding, Tenant, Tokens, cosine};
use dashpot_wire::dialect::Dialect;
use futures_util::future::join_all;
use tokio::time::sleep;

use crate::{
    Made, Subject,
    made::{key, unique},
};

/// What is at the place of an entry.
async fn at<St: Store>(store: &St, entry: &Entry) -> Option<Arc<Entry>> {
    store.get(entry.place()).await.unwrap()
}

async fn keep<St: Store>(store: &St, entry: &Arc<Entry>) {
    assert!(store.put(entry.clone(), None).await.unwrap());
}

/// Waits until it is so: an engine may take a moment to forget.
async fn until<F: Future<Output = bool>>(what: &str, is_so: impl Fn() -> F) {
    for _ in 0..400 {
        if is_so().await {
            return;
        }
        sleep(Duration::from_millis(25)).await;
    }
    panic!("after ten seconds it is not so that {what}");
}

/// A key in another partition is another place, and a key of another tenant is not found by it.
pub async fn an_entry_is_found_at_its_place_and_nowhere_else<St: Store, Ix, L, G>(
    Subject { store, .. }: &Subject<St, Ix, L, G>,
) {
    let (acme, other) = (unique("acme"), unique("acme"));
    let entry = Made::new(&acme, key()).done();
    assert!(at(store, &entry).await.is_none());
    assert!(store.find(&acme, entry.key).await.unwrap().is_none());
    keep(store, &entry).await;
    assert_eq!(at(store, &entry).await.unwrap().tenant, acme);
    assert_eq!(store.find(&acme, entry.key).await.unwrap().unwrap().key, entry.key);
    for place in [
        Place { partition: key(), key: entry.key },
        Place { partition: entry.partition, key: key() },
        Place { partition: entry.key, key: entry.partition },
    ] {
        assert!(store.get(place).await.unwrap().is_none());
    }
    assert!(store.find(&other, entry.key).await.unwrap().is_none());
    assert!(store.find(&acme, key()).await.unwrap().is_none());
}

/// All of it, small and large.
pub async fn an_entry_comes_back_as_it_was<St: Store, Ix, L, G>(
    Subject { store, .. }: &Subject<St, Ix, L, G>,
) {
    let acme = unique("acme");
    let noise: String = std::iter::repeat_with(|| fastrand::char(..)).take(300_000).collect();
    let states = [[0.5_f32, -0.5], [1.0, 0.25]];
    for (answer, dialect) in [
        (String::new(), Dialect::OpenAiChat),
        ("{\"a\": \"\\u0000\"}".into(), Dialect::AnthropicMessages),
        ("again ".repeat(200_000), Dialect::OpenAiResponses),
        (noise, Dialect::OpenAiCompletions),
    ] {
        let made = Made::new(&acme, key()).answer(answer).tags(&["a", "b"]).done();
        let tokens = Tokens::new([(0..3, &states[0][..]), (4..7, &states[1][..])]);
        let embedding = Embedding::new(&[0.1, -0.9, 0.3]).unwrap().with_tokens(tokens.unwrap());
        let entry = Entry { dialect, embedding: Some(embedding), events: true, ..Entry::clone(&made) };
        let entry = Arc::new(Entry { has_usage: false, text: Some("Is it\0 so?".into()), ..entry });
        keep(store, &entry).await;
        let back = at(store, &entry).await.unwrap();
        assert!(back.answer == entry.answer);
        let told = |entry: &Entry| {
            let Entry {
                key,
                partition,
                tenant,
                text,
                dialect,
                events,
                has_usage,
                fresh_ms,
                stale_ms,
                tags,
                ..
            } = entry.clone();
            (key, partition, tenant, text, dialect, (events, has_usage, fresh_ms, stale_ms, tags))
        };
        assert_eq!(told(&back), told(&entry));
        assert!(back.stored.max(entry.stored) - back.stored.min(entry.stored) < Duration::from_secs(5));
        let [one, other] = [&back, &entry].map(|entry| entry.embedding.clone().unwrap());
        assert!(cosine(one.vector(), other.vector()) > 0.999);
        let (one, other) = (one.tokens().unwrap(), other.tokens().unwrap());
        assert!(
            one.iter()
                .zip(other.iter())
                .all(|(one, other)| one.0 == other.0 && cosine(one.1, other.1) > 0.999)
        );
    }
}

/// One key has one entry.
pub async fn an_entry_takes_the_place_of_the_one_before<St: Store, Ix, L, G>(
    Subject { store, .. }: &Subject<St, Ix, L, G>,
) {
    let (acme, partition, key) = (unique("acme"), key(), key());
    for answer in ["first", "second", &"third ".repeat(5000), "4"] {
        let entry = Made::new(&acme, partition).key(key).answer(answer).done();
        keep(store, &entry).await;
        assert_eq!(at(store, &entry).await.unwrap().answer, entry.answer);
    }
}

/// Whether it is asked for at its place, with others, or by its key.
pub async fn an_entry_that_is_past_its_time_is_gone<St: Store, Ix, L, G>(
    Subject { store, .. }: &Subject<St, Ix, L, G>,
) {
    let (acme, partition) = (unique("acme"), key());
    let short = Made::new(&acme, partition).tags(&["t"]).ends_in(Duration::from_millis(1500)).done();
    let long = Made::new(&acme, partition).tags(&["t"]).done();
    keep(store, &short).await;
    keep(store, &long).await;
    assert!(at(store, &short).await.is_some());
    until("it is gone", || async { at(store, &short).await.is_none() }).await;
    let all = store.get_all(partition, &[short.key, long.key]).await.unwrap();
    assert_eq!(all.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true]);
    assert!(store.find(&acme, short.key).await.unwrap().is_none());
    // One whose time is over already takes the place of another all the same.
    let made = Made::new(&acme, partition);
    keep(store, &made.clone().done()).await;
    let over = made.ends_in(Duration::ZERO).done();
    store.put(over.clone(), None).await.unwrap();
    assert!(at(store, &over).await.is_none());
    // And what is to be kept for ever is kept for long.
    let ever = Made::new(&acme, partition).ends_in(Duration::MAX).done();
    keep(store, &ever).await;
    assert!(at(store, &ever).await.is_some());
}

/// With gaps, and twice if asked twice.
pub async fn several_entries_come_in_the_order_in_which_they_were_asked_for<St: Store, Ix, L, G>(
    Subject { store, .. }: &Subject<St, Ix, L, G>,
) {
    let (acme, partition) = (unique("acme"), key());
    let entries: Vec<_> = (0..3).map(|_| Made::new(&acme, partition).done()).collect();
    for entry in &entries {
        keep(store, entry).await;
    }
    let elsewhere = Made::new(&acme, key()).done();
    keep(store, &elsewhere).await;
    let [one, two, three] = [0, 1, 2].map(|at| entries[at].key);
    let asked = [three, key(), one, elsewhere.key, two, three];
    let all = store.get_all(partition, &asked).await.unwrap();
    let keys: Vec<_> = all.iter().map(|entry| entry.as_ref().map(|entry| entry.key)).collect();
    assert_eq!(keys, [Some(three), None, Some(one), None, Some(two), Some(three)]);
    assert!(store.get_all(partition, &[]).await.unwrap().is_empty());
}

/// By entry, tag and tenant.
pub async fn a_removal_is_about_what_it_says_and_nothing_else<St: Store, Ix, L, G>(
    Subject { store, .. }: &Subject<St, Ix, L, G>,
) {
    let (acme, other) = (unique("acme"), unique("acme"));
    let entries = [
        Made::new(&acme, key()).tags(&["s", "t"]).done(),
        Made::new(&acme, key()).tags(&["t"]).done(),
        Made::new(&acme, key()).tags(&["tt"]).done(),
        Made::new(&acme, key()).done(),
        Made::new(&other, key()).tags(&["t"]).done(),
    ];
    let tagged = |tenant: &Tenant, tag: &str| Removal::Tagged(tenant.clone(), tag.into());
    for (what, kept) in [
        (Removal::Entry(acme.clone(), entries[1].key), [true, false, true, true, true]),
        (Removal::Entry(other.clone(), entries[1].key), [true; 5]),
        (Removal::Entry(acme.clone(), key()), [true; 5]),
        (tagged(&acme, "t"), [false, false, true, true, true]),
        (tagged(&acme, "*"), [true; 5]),
        (tagged(&acme, ""), [true; 5]),
        (tagged(&other, "tt"), [true; 5]),
        (Removal::Tenant(acme.clone()), [false, false, false, false, true]),
        (Removal::Tenant(other.clone()), [true, true, true, true, false]),
        (Removal::Tenant(unique("nobody")), [true; 5]),
    ] {
        for entry in &entries {
            keep(store, entry).await;
        }
        store.remove(what.clone()).await.unwrap();
        let now = entries.iter().map(|entry| async { at(store, entry).await.is_some() });
        assert_eq!(join_all(now).await, kept, "{what:?}");
    }
}

/// What is a sign to an engine is a letter in a name.
pub async fn names_may_be_anything<St: Store, Ix, L, G>(Subject { store, .. }: &Subject<St, Ix, L, G>) {
    let odd = [
        "*",
        "?",
        "[a-z]",
        "{}",
        "{a}",
        "}{",
        " ",
        "a b",
        "\0",
        "\r\n",
        "\"",
        "'",
        "\\",
        "%",
        "_",
        ":",
        ",",
        "|",
        "@x:{*}",
        "-",
        "--",
        "; DROP TABLE entries",
        "ü",
        "🦀",
        "\u{7f}",
        "null",
    ];
    let tenants: Vec<_> = odd.iter().map(|name| unique(name)).collect();
    let entries: Vec<_> = tenants.iter().map(|tenant| Made::new(tenant, key()).tags(&odd).done()).collect();
    for entry in &entries {
        keep(store, entry).await;
        assert_eq!(at(store, entry).await.unwrap().tags, entry.tags);
    }
    // Whom a pattern would take along.
    let others: Vec<_> = tenants
        .iter()
        .map(|tenant| Made::new(tenant, key()).tags(&["", "a", "ab", "a b ", "plain"]).done())
        .collect();
    for other in &others {
        keep(store, other).await;
    }
    for (n, entry) in entries.iter().enumerate() {
        store.remove(Removal::Tagged(entry.tenant.clone(), odd[n].into())).await.unwrap();
        let now = entries.iter().map(|entry| async { at(store, entry).await.is_some() });
        assert_eq!(join_all(now).await, (0..odd.len()).map(|other| other > n).collect::<Vec<_>>());
        assert!(at(store, &others[n]).await.is_some(), "{:?}", odd[n]);
    }
    for (n, tenant) in tenants.iter().enumerate() {
        store.remove(Removal::Tenant(tenant.clone())).await.unwrap();
        let now = others.iter().map(|other| async { at(store, other).await.is_some() });
        assert_eq!(join_all(now).await, (0..odd.len()).map(|other| other > n).collect::<Vec<_>>());
    }
    let many: Vec<_> = (0..1000).map(|n| format!("tag {n}")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let entry = Made::new(&tenants[0], key()).tags(&many).done();
    keep(store, &entry).await;
    store.remove(Removal::Tagged(tenants[0].clone(), "tag 999".into())).await.unwrap();
    assert!(at(store, &entry).await.is_none());
}

/// An entry has the tags that it was last kept with.
pub async fn what_was_replaced_leaves_no_tag_behind<St: Store, Ix, L, G>(
    Subject { store, .. }: &Subject<St, Ix, L, G>,
) {
    let (acme, partition, key) = (unique("acme"), key(), key());
    let made = Made::new(&acme, partition).key(key);
    keep(store, &made.clone().tags(&["old"]).done()).await;
    let entry = made.tags(&["new"]).done();
    keep(store, &entry).await;
    store.remove(Removal::Tagged(acme.clone(), "old".into())).await.unwrap();
    assert!(at(store, &entry).await.is_some());
    store.remove(Removal::Tagged(acme, "new".into())).await.unwrap();
    assert!(at(store, &entry).await.is_none());
}

/// And what stands at the end is as if they had come one after the other.
pub async fn many_can_write_and_remove_at_once<St: Store, Ix, L, G>(
    Subject { store, .. }: &Subject<St, Ix, L, G>,
) {
    let other = unique("acme");
    let theirs = Made::new(&other, key()).tags(&["t"]).done();
    keep(store, &theirs).await;
    for by_tag in [true, false] {
        let (acme, partition) = (unique("acme"), key());
        let keys: Vec<_> = (0..8).map(|_| key()).collect();
        join_all((0..200).map(|n| {
            let (acme, keys) = (&acme, &keys);
            async move {
                let key = keys[n % keys.len()];
                match n % 5 {
                    0 => store.remove(Removal::Entry(acme.clone(), key)).await.unwrap(),
                    1 => store.remove(Removal::Tagged(acme.clone(), "t".into())).await.unwrap(),
                    _ => {
                        let entry = Made::new(acme, partition).key(key).tags(&["t"]).answer(n.to_string());
                        assert!(store.put(entry.done(), None).await.unwrap());
                    }
                }
            }
        }))
        .await;
        for entry in store.get_all(partition, &keys).await.unwrap().into_iter().flatten() {
            assert_eq!(entry.tenant, acme);
        }
        // Nothing that was kept is out of reach of a removal.
        let all = if by_tag { Removal::Tagged(acme, "t".into()) } else { Removal::Tenant(acme) };
        store.remove(all).await.unwrap();
        assert!(store.get_all(partition, &keys).await.unwrap().iter().all(Option::is_none));
    }
    assert!(at(store, &theirs).await.is_some());
}
