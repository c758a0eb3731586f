use std::{sync::Arc, time::Duration};

use dashpot_cache::Store;
use dashpot_cache_postgres::{Config, PostgresStore};
use dashpot_testkit::servers::{Postgres, Proxy};

use crate::support::{Fixture, client, entry, place, shared, soon, until};

#[tokio::test]
async fn three_that_start_at_once_migrate_once() {
    let server = Postgres::start(&["max_connections=40"]);
    let config: Config = server.url().parse().unwrap();
    let stores: Vec<_> = (0..3).map(|_| PostgresStore::new(config.clone().connections(4)).unwrap()).collect();
    for store in &stores {
        soon("it is connected", store.connected()).await;
    }
    stores[0].put(shared(entry(place(1, 1), None)), None).await.unwrap();
    for store in &stores {
        assert!(store.get(place(1, 1)).await.unwrap().is_some());
    }
    let client = client(&server.url()).await;
    let versions = client.query("SELECT number FROM dashpot_cache.version", &[]).await.unwrap();
    assert_eq!(versions.iter().map(|row| row.get(0)).collect::<Vec<i32>>(), [1]);
}

#[tokio::test]
async fn a_schema_of_a_later_release_is_left_alone() {
    let fixture = Fixture::start().await;
    fixture.execute("UPDATE {}.version SET number = 1000").await;
    let config = fixture.url.parse::<Config>().unwrap().schema(&fixture.schema).unwrap();
    let store = PostgresStore::new(config).unwrap();
    tokio::time::timeout(Duration::from_millis(500), store.connected()).await.unwrap_err();
    store.get(place(1, 1)).await.unwrap_err();
    assert_eq!(fixture.number("SELECT count(*) FROM {}.version").await, 1);
    // Who was connected before goes on.
    fixture.store.get(place(1, 1)).await.unwrap();
}

#[tokio::test]
async fn tables_that_somebody_drops_are_made_again() {
    let fixture = Fixture::start().await;
    let store = &fixture.store;
    store.put(shared(entry(place(1, 1), None)), None).await.unwrap();
    fixture.client.batch_execute(&format!("DROP SCHEMA {} CASCADE", fixture.schema)).await.unwrap();
    until("there are tables again", || async {
        store.put(shared(entry(place(1, 2), None)), None).await.is_ok_and(|kept| kept)
    })
    .await;
    until("all connections know them", || async {
        let all = (0..16).map(|number| store.get(place(1, 1 + number % 2)));
        let all = futures_util::future::try_join_all(all).await;
        all.is_ok_and(|all| all.chunks(2).all(|pair| pair[0].is_none() && pair[1].is_some()))
    })
    .await;
}

#[tokio::test]
async fn tables_of_somebody_else_are_left_alone() {
    let fixture = Fixture::start().await;
    let schema = format!("{}_other", fixture.schema);
    let sql = format!("CREATE SCHEMA {schema}; CREATE TABLE {schema}.entry (key text)");
    fixture.client.batch_execute(&sql).await.unwrap();
    let config = fixture.url.parse::<Config>().unwrap().schema(&schema).unwrap();
    let store = PostgresStore::new(config).unwrap();
    tokio::time::timeout(Duration::from_millis(500), store.connected()).await.unwrap_err();
    store.put(shared(entry(place(1, 1), None)), None).await.unwrap_err();
    let sql = format!("SELECT count(*) FROM pg_tables WHERE schemaname = '{schema}'");
    assert_eq!(fixture.number(&sql).await, 1);
    fixture.client.batch_execute(&format!("DROP SCHEMA {schema} CASCADE")).await.unwrap();
}

#[tokio::test]
async fn an_exact_hit_is_one_round_trip_and_a_semantic_one_is_two() {
    let server = Postgres::start(&[]);
    let proxy = Proxy::to(server.port()).await;
    let fixture = Fixture::at(&server.url_at(proxy.port()), |config| config.connections(1)).await;
    let store = &fixture.store;
    let round_trips = async |asked: &mut (dyn Future<Output = ()> + Unpin)| {
        let before = proxy.round_trips();
        asked.await;
        proxy.round_trips() - before
    };
    use dashpot_cache::{Index, Leases};
    store.put(shared(entry(place(1, 1), Some(&[1.0, 0.0]))), None).await.unwrap();
    store.search(place(1, 1).partition, &[1.0, 0.0], 4).await.unwrap();
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
    let mut put = Box::pin(async {
        store.put(shared(entry(place(1, 2), Some(&[0.0, 1.0]))), None).await.unwrap();
    });
    assert_eq!(round_trips(&mut put).await, 1);
}

/// PostgreSQL from our package speaks no TLS: what stands before it does.
#[tokio::test]
async fn tls_is_spoken_and_the_certificate_verified() {
    let server = Postgres::start(&[]);
    let (port, certificate) = crate::support::tls(server.port()).await;
    let url = format!("{}?sslmode=require", server.url_at(port).replace("127.0.0.1", "localhost"));
    let distrusted = PostgresStore::new(url.parse().unwrap()).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls =
        rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let tls = tls.with_root_certificates(roots).with_no_client_auth();
    let store = PostgresStore::new(url.parse::<Config>().unwrap().tls(Arc::new(tls))).unwrap();
    soon("it is connected", store.connected()).await;
    store.put(shared(entry(place(1, 1), None)), None).await.unwrap();
    assert!(store.get(place(1, 1)).await.unwrap().is_some());
    distrusted.get(place(1, 1)).await.unwrap_err();
}
