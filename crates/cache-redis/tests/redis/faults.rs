use std::time::Duration;

use dashpot_cache::{Acquired, Index, Leases, Store, StoreError};
use dashpot_cache_redis::{Config, RedisStore};
use dashpot_testkit::servers::{Proxy, Redis};
use tokio::time::{Instant, timeout};

use crate::support::{client, entry, key, place, shared, soon, until};

/// What a request of the cache waits for its store.
const BUDGET: Duration = Duration::from_millis(50);

/// Asks as the cache does: what has not come by then is let go.
async fn ask(store: &RedisStore) -> Result<bool, StoreError> {
    match timeout(BUDGET, store.get(place(1, 1))).await {
        Ok(answer) => answer.map(|entry| entry.is_some()),
        Err(_) => Err(StoreError::new("it took too long")),
    }
}

async fn put(store: &RedisStore) {
    soon("it is connected", store.connected()).await;
    assert!(store.put(shared(entry(place(1, 1), Some(&[1.0, 0.0]))), None).await.unwrap());
}

async fn is_back(store: &RedisStore) {
    until("it is back", || async { ask(store).await.is_ok_and(|found| found) }).await;
}

fn config(url: &str) -> Config {
    let config: Config = url.parse().unwrap();
    config.timeout(Duration::from_millis(300)).connect_timeout(Duration::from_secs(1))
}

/// What the server said.
fn cause(error: &StoreError) -> String {
    std::error::Error::source(error).unwrap().to_string()
}

#[tokio::test]
async fn a_server_that_is_not_there_at_the_start_is_found_when_it_is() {
    let mut server = Redis::start(&[]);
    server.kill();
    let store = RedisStore::new(config(&server.url())).unwrap();
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
    let mut server = Redis::start(&[]);
    let proxy = Proxy::to(server.port()).await;
    let store = RedisStore::new(config(&server.url_at(proxy.port()))).unwrap();
    put(&store).await;
    // In the middle of requests.
    proxy.slow(Duration::from_millis(200));
    let under_way = futures_util::future::join_all((0..100).map(|_| store.get(place(1, 1))));
    let kill = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        proxy.cut();
        server.kill();
    };
    let (answers, ()) = tokio::join!(under_way, kill);
    assert!(answers.iter().all(Result::is_err));
    proxy.open();
    store.put(shared(entry(place(1, 2), None)), None).await.unwrap_err();
    server.restart();
    until("it is connected", || async { ask(&store).await.is_ok() }).await;
    assert!(!ask(&store).await.unwrap(), "it has forgotten all");
    put(&store).await;
    assert_eq!(store.search(key(1), &[1.0, 0.0], 4).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_connection_that_hangs_is_given_up_and_made_again() {
    let server = Redis::start(&[]);
    let proxy = Proxy::to(server.port()).await;
    let store = RedisStore::new(config(&server.url_at(proxy.port()))).unwrap();
    put(&store).await;
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
async fn a_server_that_is_stopped_and_goes_on_is_used_again() {
    let server = Redis::start(&[]);
    let store = RedisStore::new(config(&server.url())).unwrap();
    put(&store).await;
    server.pause();
    for _ in 0..20 {
        ask(&store).await.unwrap_err();
    }
    server.resume();
    is_back(&store).await;
}

/// What they asked for is answered, and those answers are not taken for what others asked.
#[tokio::test]
async fn who_leaves_leaves_the_connection_as_it_was() {
    let server = Redis::start(&[]);
    let proxy = Proxy::to(server.port()).await;
    let store = {
        // Long enough for whatever else the machine does meanwhile.
        let config = config(&server.url_at(proxy.port())).timeout(Duration::from_secs(2));
        RedisStore::new(config).unwrap()
    };
    put(&store).await;
    for number in 2..10 {
        store.put(shared(entry(place(1, number), None)), None).await.unwrap();
    }
    let connections = proxy.connections();
    proxy.slow(Duration::from_millis(2));
    for round in 0..200 {
        let mut left = Box::pin(store.get(place(1, 1 + round % 3)));
        assert!(futures_util::poll!(&mut left).is_pending());
        if round % 2 == 0 {
            tokio::time::sleep(Duration::from_micros(fastrand::u64(..3_000))).await;
        }
        drop(left);
        let wanted = place(1, 4 + round % 6);
        let found = store.get(wanted).await.unwrap();
        assert_eq!(found.unwrap().place(), wanted);
    }
    proxy.open();
    // More than may wait: the last are told so.
    for number in 0..5_000 {
        let mut left = Box::pin(store.get(place(1, 1)));
        assert!(futures_util::poll!(&mut left).is_pending() || number > 4_000);
        drop(left);
    }
    is_back(&store).await;
    // The last one's answer is nobody's: it is asked for nothing, and answers.
    let mut left = Box::pin(store.get(place(1, 1)));
    assert!(futures_util::poll!(&mut left).is_pending());
    drop(left);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(store.get(place(1, 1)).await.unwrap().is_some());
    assert_eq!(proxy.connections(), connections);
}

#[tokio::test]
async fn a_slow_server_is_a_miss_and_no_more_waits_than_is_bounded() {
    let server = Redis::start(&[]);
    let proxy = Proxy::to(server.port()).await;
    let store = RedisStore::new(config(&server.url_at(proxy.port()))).unwrap();
    put(&store).await;
    proxy.slow(Duration::from_secs(5));
    let before = Instant::now();
    let answers = futures_util::future::join_all((0..10_000).map(|_| ask(&store))).await;
    assert!(answers.iter().all(Result::is_err));
    let full =
        answers.iter().filter(|answer| cause(answer.as_ref().unwrap_err()).contains("too much")).count();
    assert!(full >= 5_000, "{full}");
    assert!(Instant::now() - before < Duration::from_secs(2));
    // That it is slow is not worth a new connection until it is too slow.
    proxy.open();
    is_back(&store).await;
}

#[tokio::test]
async fn a_connection_that_is_cut_is_made_again() {
    let server = Redis::start(&[]);
    let proxy = Proxy::to(server.port()).await;
    let store = RedisStore::new(config(&server.url_at(proxy.port()))).unwrap();
    put(&store).await;
    proxy.cut();
    until("it is noticed", || async { ask(&store).await.is_err() }).await;
    proxy.open();
    is_back(&store).await;
}

#[tokio::test]
async fn a_full_server_can_be_read_and_to_write_is_an_error_until_there_is_room() {
    let server = Redis::start(&["--maxmemory-policy", "noeviction"]);
    let store = RedisStore::new(config(&server.url())).unwrap();
    put(&store).await;
    let mut admin = client(&server.url()).await;
    let mut limit = async |bytes: &str| {
        let mut set = redis::cmd("CONFIG");
        set.arg("SET").arg("maxmemory").arg(bytes).exec_async(&mut admin).await.unwrap();
    };
    limit("1mb").await;
    let error = store.put(shared(entry(place(1, 2), Some(&[0.0, 1.0]))), None).await.unwrap_err();
    assert!(cause(&error).contains("OOM"), "{}", cause(&error));
    let error = store.acquire(place(1, 2), Duration::from_secs(1)).await.unwrap_err();
    assert!(cause(&error).contains("OOM"), "{}", cause(&error));
    assert!(ask(&store).await.unwrap());
    assert_eq!(store.search(key(1), &[1.0, 0.0], 4).await.unwrap().len(), 1);
    // To remove something makes room.
    let what = dashpot_cache::Removal::Tenant(crate::support::tenant("acme"));
    Store::remove(&store, what).await.unwrap();
    assert!(!ask(&store).await.unwrap());
    limit("0").await;
    put(&store).await;
}

#[tokio::test]
async fn a_replica_can_be_read_and_to_write_is_an_error() {
    let primary = Redis::start(&[]);
    let store = RedisStore::new(primary.url().parse().unwrap()).unwrap();
    put(&store).await;
    store.put(shared(entry(place(1, 2), Some(&[0.9, 0.1]))), None).await.unwrap();
    let replica = Redis::start(&["--replicaof", "127.0.0.1", &primary.port().to_string()]);
    let store = RedisStore::new(config(&replica.url())).unwrap();
    is_back(&store).await;
    for error in [
        store.put(shared(entry(place(1, 2), None)), None).await.unwrap_err(),
        store.acquire(place(1, 2), Duration::from_secs(1)).await.unwrap_err(),
    ] {
        assert!(cause(&error).to_lowercase().contains("read only replica"), "{}", cause(&error));
    }
    assert_eq!(store.search(key(1), &[1.0, 0.0], 4).await.unwrap().len(), 2);
    assert!(ask(&store).await.unwrap());
    // What it misses there it leaves to the other.
    let mut admin = client(&primary.url()).await;
    let name = format!("dashpot:{{{}}}:e{}", key(1), key(1));
    redis::cmd("DEL").arg(name).exec_async(&mut admin).await.unwrap();
    until("the replica knows", || async { !ask(&store).await.unwrap() }).await;
    assert_eq!(store.search(key(1), &[1.0, 0.0], 4).await.unwrap()[0].key, key(2));
}

#[tokio::test]
async fn a_server_that_becomes_a_replica_is_an_error_until_it_is_none() {
    let server = Redis::start(&[]);
    let store = RedisStore::new(config(&server.url())).unwrap();
    put(&store).await;
    let mut admin = client(&server.url()).await;
    let mut follow = async |whom: [&str; 2]| {
        redis::cmd("REPLICAOF").arg(&whom).exec_async(&mut admin).await.unwrap();
    };
    follow(["127.0.0.1", "1"]).await;
    store.acquire(place(1, 2), Duration::from_secs(1)).await.unwrap_err();
    follow(["NO", "ONE"]).await;
    let (acquired, _) = store.acquire(place(1, 2), Duration::from_secs(1)).await.unwrap();
    assert!(matches!(acquired, Acquired::Ours(_)));
}

#[tokio::test]
async fn a_wrong_password_is_an_error_until_it_is_right() {
    let server = Redis::start(&["--requirepass", "secret"]);
    let store = RedisStore::new(config(&server.url().replace("secret", "wrong"))).unwrap();
    let none = RedisStore::new(config(&format!("redis://127.0.0.1:{}", server.port()))).unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    ask(&store).await.unwrap_err();
    ask(&none).await.unwrap_err();
    let mut admin = client(&server.url()).await;
    let mut set = redis::cmd("CONFIG");
    set.arg("SET").arg("requirepass").arg("wrong").exec_async(&mut admin).await.unwrap();
    until("the password is right", || async { ask(&store).await.is_ok() }).await;
}

#[tokio::test]
async fn a_server_without_a_place_is_an_error_until_there_is_one() {
    let server = Redis::start(&["--maxclients", "4"]);
    let mut others = Vec::new();
    for _ in 0..4 {
        others.push(client(&server.url()).await);
    }
    let store = RedisStore::new(config(&server.url())).unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    ask(&store).await.unwrap_err();
    drop(others);
    until("there is room", || async { ask(&store).await.is_ok() }).await;
}

#[tokio::test]
async fn the_connection_ends_with_the_last_clone() {
    let server = Redis::start(&["--requirepass", "secret"]);
    let store = RedisStore::new(server.url().parse().unwrap()).unwrap();
    store.connected().await;
    let client = client(&server.url()).await;
    let count = async || -> usize {
        let mut list = redis::cmd("CLIENT");
        list.arg("LIST").query_async::<String>(&mut client.clone()).await.unwrap().lines().count()
    };
    assert_eq!(count().await, 2);
    drop(store.clone());
    assert_eq!(count().await, 2);
    drop(store);
    until("it is closed", async || count().await == 1).await;
}
