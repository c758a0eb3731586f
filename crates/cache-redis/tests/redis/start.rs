use std::{sync::Arc, time::Duration};

use dashpot_cache::{Index, Leases, Store};
use dashpot_cache_redis::{Config, RedisStore, Semantic};
use dashpot_testkit::servers::{Proxy, Redis};

use crate::support::{Fixture, entry, key, place, shared, soon};

#[tokio::test]
async fn an_exact_hit_is_one_round_trip_and_a_semantic_one_is_two() {
    for server in [Redis::start(&[]), Redis::with_search(crate::support::WITHOUT_SETS)] {
        let proxy = Proxy::to(server.port()).await;
        let fixture = Fixture::at(&server.url_at(proxy.port()), |config| config).await;
        let store = &fixture.store;
        let round_trips = async |asked: &mut (dyn Future<Output = ()> + Unpin)| {
            let before = proxy.round_trips();
            asked.await;
            proxy.round_trips() - before
        };
        store.put(shared(entry(place(1, 1), Some(&[1.0, 0.0]))), None).await.unwrap();
        let mut exact = Box::pin(async { assert!(store.get(place(1, 1)).await.unwrap().is_some()) });
        assert_eq!(round_trips(&mut exact).await, 1);
        let mut similar = Box::pin(async {
            assert!(store.get(place(1, 2)).await.unwrap().is_none());
            let near = store.search(place(1, 2).partition, &[1.0, 0.1], 4).await.unwrap();
            assert!(near[0].entry.is_some());
        });
        assert_eq!(round_trips(&mut similar).await, 2);
        let mut lease =
            Box::pin(async { drop(store.acquire(place(1, 3), Duration::from_secs(1)).await.unwrap()) });
        assert_eq!(round_trips(&mut lease).await, 1);
        // On the lists first, all together, and then the entry.
        let mut put = Box::pin(async {
            store.put(shared(entry(place(1, 2), Some(&[0.0, 1.0]))), None).await.unwrap();
        });
        let trips = round_trips(&mut put).await;
        assert!((2..=3).contains(&trips), "{trips}");
    }
}

#[tokio::test]
async fn what_the_server_has_is_found_out() {
    let semantic = async |server: &Redis| {
        let store = RedisStore::new(server.url().parse().unwrap()).unwrap();
        assert_eq!(store.semantic(), None, "it is not connected yet");
        soon("it is connected", store.connected()).await;
        store.put(shared(entry(place(1, 1), Some(&[1.0, 0.0]))), None).await.unwrap();
        store.insert(&entry(place(1, 1), Some(&[1.0, 0.0]))).await.unwrap();
        let near = store.search(key(1), &[1.0, 0.0], 4).await.unwrap();
        assert!(store.get(place(1, 1)).await.unwrap().is_some());
        (store.semantic().unwrap(), near.len())
    };
    assert_eq!(semantic(&Redis::start(&[])).await, (Semantic::VectorSets, 1));
    assert_eq!(semantic(&Redis::with_search(&[])).await, (Semantic::VectorSets, 1));
    assert_eq!(semantic(&Redis::with_search(crate::support::WITHOUT_SETS)).await, (Semantic::Search, 1));
    // Of one it may not use it, and the other it has never heard of.
    assert_eq!(semantic(&Redis::start(crate::support::WITHOUT_SETS)).await, (Semantic::None, 0));
}

/// Redis from our package speaks no TLS: what stands before it does.
#[tokio::test]
async fn tls_is_spoken_and_the_certificate_verified() {
    let server = Redis::start(&["--requirepass", "secret"]);
    let (port, certificate) = crate::support::tls(server.port()).await;
    let url = format!("rediss://:secret@localhost:{port}");
    let distrusted = RedisStore::new(url.parse().unwrap()).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls =
        rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let tls = tls.with_root_certificates(roots).with_no_client_auth();
    let store = RedisStore::new(url.parse::<Config>().unwrap().tls(Arc::new(tls))).unwrap();
    soon("it is connected", store.connected()).await;
    store.put(shared(entry(place(1, 1), None)), None).await.unwrap();
    assert!(store.get(place(1, 1)).await.unwrap().is_some());
    distrusted.get(place(1, 1)).await.unwrap_err();
}

#[tokio::test]
async fn a_number_and_a_name_are_who_we_are() {
    let server = Redis::start(&["--user", "cache", "on", ">word", "~*", "+@all"]);
    let url = format!("redis://cache:word@127.0.0.1:{}/3", server.port());
    let fixture = Fixture::at(&url, |config| config).await;
    fixture.store.put(shared(entry(place(1, 1), None)), None).await.unwrap();
    let said: String = fixture.redis(&["INFO", "keyspace"]).await;
    assert!(said.contains("db3:") && !said.contains("db0:"), "{said}");
}

#[tokio::test]
async fn prefixes_are_caches_of_their_own() {
    let server = Redis::start(&[]);
    let [one, other] = ["one", "one:other"].map(|prefix| {
        RedisStore::new(server.url().parse::<Config>().unwrap().prefix(prefix).unwrap()).unwrap()
    });
    soon("both are connected", async { tokio::join!(one.connected(), other.connected()) }).await;
    one.put(shared(entry(place(1, 1), Some(&[1.0, 0.0]))), None).await.unwrap();
    assert!(other.get(place(1, 1)).await.unwrap().is_none());
    assert_eq!(other.search(key(1), &[1.0, 0.0], 4).await.unwrap().len(), 0);
    let what = dashpot_cache::Removal::Tenant(crate::support::tenant("acme"));
    Store::remove(&other, what).await.unwrap();
    assert!(one.get(place(1, 1)).await.unwrap().is_some());
}
