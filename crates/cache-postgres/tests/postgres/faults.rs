use std::time::Duration;

use dashpot_cache::{Store, StoreError};
use dashpot_cache_postgres::{Config, PostgresStore};
use dashpot_testkit::servers::{Postgres, Proxy};
use tokio::time::{Instant, timeout};

use crate::support::{client, entry, place, shared, until};

/// What a request of the cache waits for its store.
const BUDGET: Duration = Duration::from_millis(50);

/// Asks as the cache does: what has not come by then is let go.
async fn ask(store: &PostgresStore) -> Result<bool, StoreError> {
    match timeout(BUDGET, store.get(place(1, 1))).await {
        Ok(answer) => answer.map(|entry| entry.is_some()),
        Err(_) => Err(StoreError::new("it took too long")),
    }
}

async fn is_back(store: &PostgresStore) {
    until("it is back", || async { ask(store).await.is_ok_and(|found| found) }).await;
}

fn config(url: &str) -> Config {
    let config: Config = url.parse().unwrap();
    config.timeout(Duration::from_millis(300)).connect_timeout(Duration::from_secs(1))
}

#[tokio::test]
async fn a_server_that_is_not_there_at_the_start_is_found_when_it_is() {
    let mut server = Postgres::start(&[]);
    server.kill();
    let store = PostgresStore::new(config(&server.url())).unwrap();
    let before = Instant::now();
    for _ in 0..1_000 {
        ask(&store).await.unwrap_err();
    }
    assert!(Instant::now() - before < Duration::from_secs(1), "no request waits for it");
    server.restart();
    until("it is connected", || async { ask(&store).await.is_ok() }).await;
}

#[tokio::test]
async fn a_server_that_is_killed_is_an_error_until_it_is_back() {
    let mut server = Postgres::start(&[]);
    let store = PostgresStore::new(config(&server.url())).unwrap();
    store.connected().await;
    store.put(shared(entry(place(1, 1), None)), None).await.unwrap();
    server.kill();
    until("it is noticed", || async { ask(&store).await.is_err() }).await;
    store.put(shared(entry(place(1, 2), None)), None).await.unwrap_err();
    server.restart();
    until("it is connected", || async { ask(&store).await.is_ok() }).await;
    // What was put just before the server was killed may be forgotten.
    store.put(shared(entry(place(1, 1), None)), None).await.unwrap();
    is_back(&store).await;
}

#[tokio::test]
async fn a_connection_that_hangs_is_given_up_and_made_again() {
    let server = Postgres::start(&[]);
    let proxy = Proxy::to(server.port()).await;
    let url = server.url_at(proxy.port());
    let store = PostgresStore::new(config(&url).connections(1)).unwrap();
    store.connected().await;
    store.put(shared(entry(place(1, 1), None)), None).await.unwrap();
    proxy.hang();
    // By requests that all leave before it would be found out.
    until("it is given up", || async {
        let before = Instant::now();
        ask(&store).await.unwrap_err();
        Instant::now() - before < BUDGET / 2
    })
    .await;
    // What hung is not used again, and what is only slow is.
    proxy.slow(Duration::from_millis(5));
    is_back(&store).await;
    // That nothing was heard for a second while nothing was asked means nothing.
    let connections = proxy.connections();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((ask(&store).await.unwrap(), proxy.connections()), (true, connections));
}

#[tokio::test]
async fn a_client_that_leaves_leaves_the_connection_as_it_was() {
    let server = Postgres::start(&[]);
    let proxy = Proxy::to(server.port()).await;
    let store = PostgresStore::new(config(&server.url_at(proxy.port())).connections(1)).unwrap();
    store.connected().await;
    store.put(shared(entry(place(1, 1), None)), None).await.unwrap();
    let connections = proxy.connections();
    // More than may wait: the last are told so.
    for number in 0..300 {
        let mut left = Box::pin(store.get(place(1, 1)));
        assert!(futures_util::poll!(&mut left).is_pending() || number > 200);
        drop(left);
    }
    until("it has answered all", || async {
        store.get(place(1, 1)).await.is_ok_and(|found| found.is_some())
    })
    .await;
    // The last one's answer is nobody's: it is asked for nothing, and answers.
    let mut left = Box::pin(store.get(place(1, 1)));
    assert!(futures_util::poll!(&mut left).is_pending());
    drop(left);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(store.get(place(1, 1)).await.unwrap().is_some());
    assert_eq!(proxy.connections(), connections);
}

#[tokio::test]
async fn a_slow_server_is_a_miss_and_no_more_waits_than_is_bounded() {
    let server = Postgres::start(&[]);
    let proxy = Proxy::to(server.port()).await;
    let store = PostgresStore::new(config(&server.url_at(proxy.port())).connections(2)).unwrap();
    store.connected().await;
    store.put(shared(entry(place(1, 1), None)), None).await.unwrap();
    proxy.slow(Duration::from_secs(5));
    let asked = (0..2_000).map(|_| ask(&store));
    let before = Instant::now();
    let answers = futures_util::future::join_all(asked).await;
    assert!(answers.iter().all(Result::is_err));
    assert!(Instant::now() - before < Duration::from_secs(2));
    proxy.open();
    is_back(&store).await;
}

#[tokio::test]
async fn a_connection_that_is_cut_is_made_again() {
    let server = Postgres::start(&[]);
    let proxy = Proxy::to(server.port()).await;
    let store = PostgresStore::new(config(&server.url_at(proxy.port()))).unwrap();
    store.connected().await;
    store.put(shared(entry(place(1, 1), None)), None).await.unwrap();
    proxy.cut();
    until("it is noticed", || async { ask(&store).await.is_err() }).await;
    proxy.open();
    is_back(&store).await;
}

#[tokio::test]
async fn a_statement_that_waits_for_a_lock_is_ended_by_the_server_too() {
    let server = Postgres::start(&[]);
    let store = PostgresStore::new(config(&server.url()).connections(1)).unwrap();
    store.connected().await;
    store.put(shared(entry(place(1, 1), None)), None).await.unwrap();
    let mut blocker = client(&server.url()).await;
    let transaction = blocker.transaction().await.unwrap();
    transaction.execute("LOCK TABLE dashpot_cache.entry", &[]).await.unwrap();
    store.put(shared(entry(place(1, 2), None)), None).await.unwrap_err();
    let admin = client(&server.url()).await;
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    until("nobody waits for the lock any more", || async {
        admin.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == 0
    })
    .await;
    transaction.rollback().await.unwrap();
    is_back(&store).await;
}

#[tokio::test]
async fn a_replica_can_be_read_and_to_write_is_an_error() {
    let primary = Postgres::start(&[]);
    let store = PostgresStore::new(primary.url().parse().unwrap()).unwrap();
    store.connected().await;
    store.put(shared(entry(place(1, 1), None)), None).await.unwrap();
    let replica = Postgres::replica_of(&primary);
    let store = PostgresStore::new(config(&replica.url())).unwrap();
    is_back(&store).await;
    let error = store.put(shared(entry(place(1, 2), None)), None).await.unwrap_err();
    let cause = std::error::Error::source(&error).and_then(std::error::Error::source).unwrap().to_string();
    assert!(cause.contains("read-only"), "{cause}");
    is_back(&store).await;
}

#[tokio::test]
async fn a_wrong_password_is_an_error_until_it_is_right() {
    let server = Postgres::start(&[]);
    let store = PostgresStore::new(config(&server.url().replace("secret", "wrong"))).unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    ask(&store).await.unwrap_err();
    let admin = client(&server.url()).await;
    admin.batch_execute("ALTER USER postgres PASSWORD 'wrong'").await.unwrap();
    until("the password is right", || async { ask(&store).await.is_ok() }).await;
}

#[tokio::test]
async fn a_full_server_is_an_error_until_there_is_room() {
    let server = Postgres::start(&["max_connections=10"]);
    let mut others = Vec::new();
    while let Ok((client, connection)) = tokio_postgres::connect(&server.url(), tokio_postgres::NoTls).await {
        tokio::spawn(connection);
        others.push(client);
    }
    let store = PostgresStore::new(config(&server.url())).unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    ask(&store).await.unwrap_err();
    drop(others);
    until("there is room", || async { ask(&store).await.is_ok() }).await;
}

#[tokio::test]
async fn connections_end_with_the_last_clone() {
    let server = Postgres::start(&[]);
    let store = PostgresStore::new(server.url().parse().unwrap()).unwrap();
    store.connected().await;
    let client = client(&server.url()).await;
    let count = async || -> i64 {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dashpot-cache'";
        client.query_one(sql, &[]).await.unwrap().get(0)
    };
    until("all are connected", async || count().await == 4).await;
    drop(store.clone());
    assert_eq!(count().await, 4);
    drop(store);
    until("all are closed", async || count().await == 0).await;
}
