//! Connections that are open before anybody needs them: over pipes, so that no socket decides when a paused clock goes on.
#![allow(clippy::unwrap_used, reason = "a test")]

mod server;

use std::{error::Error, sync::atomic::Ordering::SeqCst, time::Duration};

use bytes::Bytes;
use dashpot_warm::{
    WarmLayer, WarmState,
    connections::{Connections, Connector, Preconnect},
    starter::{Functions, StartError},
};
use http::{Request, StatusCode, Uri, Version};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::Connect},
    rt::{TokioExecutor, TokioTimer},
};
use server::Server;
use tokio::task::JoinSet;
use tower::{Layer, ServiceExt};

const SECOND: Duration = Duration::from_secs(1);
const HTTP: &str = "http://gpu/health";

type Pooled<C> = Client<Connector<C>, Full<Bytes>>;

/// A client whose connections are kept, as one would make it.
fn kept<C>(connector: C, uri: &'static str, n: usize) -> (Pooled<C>, Preconnect)
where
    Connector<C>: Connect + Clone + Send + Sync + 'static,
{
    let connections = Connections::new(Uri::from_static(uri), n);
    let client = Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        .http2_keep_alive_interval(20 * SECOND)
        .http2_keep_alive_while_idle(true)
        .build(connections.connector(connector));
    let preconnect = connections.keep::<_, Full<Bytes>, _>(client.clone());
    (client, preconnect)
}

fn request(uri: &str) -> Request<Full<Bytes>> {
    Request::get(uri).body(Full::default()).unwrap()
}

/// So many at once, to the end; their versions.
async fn ask<C>(client: &Pooled<C>, uri: &str, many: usize) -> Vec<Version>
where
    Connector<C>: Connect + Clone + Send + Sync + 'static,
{
    let mut all = JoinSet::new();
    for _ in 0..many {
        let answer = client.request(request(uri));
        all.spawn(async move {
            let answer = answer.await.unwrap();
            let version = answer.version();
            assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "hi");
            version
        });
    }
    all.join_all().await
}

#[tokio::test(start_paused = true)]
async fn what_was_opened_before_carries_the_first_requests_over_http_1() {
    let server = Server::new();
    let (client, preconnect) = kept(server.clone(), HTTP, 4);
    assert_eq!((preconnect.open().await.unwrap(), server.accepted()), (4, 4));
    assert_eq!(ask(&client, "http://gpu/", 4).await, [Version::HTTP_11; 4]);
    assert_eq!((server.accepted(), preconnect.stats().open), (4, 4), "none was opened for a request");
}

#[tokio::test(start_paused = true)]
async fn what_was_opened_before_carries_the_first_requests_over_tls() {
    let (server, connector) = Server::with_tls(&["http/1.1"]);
    let (client, preconnect) = kept(connector, "https://gpu/health", 3);
    assert_eq!((preconnect.open().await.unwrap(), server.accepted()), (3, 3));
    assert_eq!(ask(&client, "https://gpu/", 3).await, [Version::HTTP_11; 3]);
    assert_eq!(server.accepted(), 3);
}

#[tokio::test(start_paused = true)]
async fn one_connection_carries_all_over_http_2_and_is_opened_anew() {
    let (server, connector) = Server::with_tls(&["h2", "http/1.1"]);
    let (client, preconnect) = kept(connector, "https://gpu/health", 4);
    assert_eq!((preconnect.open().await.unwrap(), server.accepted(), server.pings()), (1, 1, 1));
    assert_eq!(ask(&client, "https://gpu/", 50).await, [Version::HTTP_2; 50]);
    assert_eq!(server.accepted(), 1);
    server.close(1);
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!((server.accepted(), preconnect.stats().open), (2, 1));
    ask(&client, "https://gpu/", 50).await;
    assert_eq!(server.accepted(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_the_server_closes_is_opened_anew_before_the_next_request() {
    let server = Server::new();
    let (client, preconnect) = kept(server.clone(), HTTP, 4);
    preconnect.open().await.unwrap();
    tokio::time::sleep(2 * SECOND).await;
    server.close(3);
    tokio::time::sleep(Duration::from_millis(10)).await;
    let stats = preconnect.stats();
    assert_eq!((server.accepted(), stats.open, stats.opened, stats.closed), (7, 4, 7, 3));
    ask(&client, "http://gpu/", 4).await;
    assert_eq!(server.accepted(), 7);
}

#[tokio::test(start_paused = true)]
async fn an_hour_without_a_request_closes_none() {
    let server = Server::new();
    let (client, preconnect) = kept(server.clone(), HTTP, 4);
    preconnect.open().await.unwrap();
    let opening = server.pings();
    tokio::time::sleep(3600 * SECOND).await;
    assert_eq!((server.accepted(), preconnect.stats().open), (4, 4));
    assert_eq!(server.pings() - opening, 4 * 3600 / 30 - 4, "each of them, twice a minute");
    ask(&client, "http://gpu/", 4).await;
    assert_eq!(server.accepted(), 4);
}

#[tokio::test(start_paused = true)]
async fn pings_open_none_beside_those_in_use_and_hold_up_nobody() {
    let server = Server::new();
    let (client, preconnect) = kept(server.clone(), HTTP, 2);
    preconnect.open().await.unwrap();
    let users = client.clone();
    let slow = tokio::spawn(async move { ask(&users, "http://gpu/slow", 2).await });
    tokio::time::sleep(600 * SECOND).await;
    assert_eq!((server.accepted(), preconnect.stats().open), (2, 2));
    assert!(preconnect.stats().failed >= 2 * 19, "{:?}", preconnect.stats());
    // Users open what they need, also while pings wait for their answers.
    server.is_stuck.store(true, SeqCst);
    ask(&client, "http://gpu/", 1).await;
    assert_eq!(server.accepted(), 3);
    server.go.notify_waiters();
    slow.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_connection_whose_pings_are_not_answered_is_replaced() {
    let server = Server::new();
    let (_client, preconnect) = kept(server.clone(), HTTP, 2);
    preconnect.open().await.unwrap();
    server.is_stuck.store(true, SeqCst);
    tokio::time::sleep(35 * SECOND).await;
    server.is_stuck.store(false, SeqCst);
    tokio::time::sleep(30 * SECOND).await;
    let stats = preconnect.stats();
    assert_eq!((stats.open, stats.closed), (2, 2), "{stats:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_down_is_not_stormed_and_found_when_it_is_back() {
    let server = Server::new();
    let (_client, preconnect) = kept(server.clone(), HTTP, 4);
    server.is_down.store(true, SeqCst);
    assert!(preconnect.open().await.unwrap_err().to_string().contains("error"));
    tokio::time::sleep(600 * SECOND).await;
    assert!((10..=20).contains(&server.accepted()), "{} attempts", server.accepted());
    server.is_down.store(false, SeqCst);
    tokio::time::sleep(61 * SECOND).await;
    assert_eq!(preconnect.stats().open, 4);
}

#[tokio::test(start_paused = true)]
async fn dropped_it_pings_no_more_and_opens_nothing_anew() {
    let server = Server::new();
    let (client, preconnect) = kept(server.clone(), HTTP, 2);
    preconnect.open().await.unwrap();
    let pings = server.pings();
    drop(preconnect);
    server.close(1);
    tokio::time::sleep(60 * SECOND).await;
    assert_eq!((server.accepted(), server.pings()), (2, pings));
    ask(&client, "http://gpu/", 1).await;
    assert_eq!(server.accepted(), 2, "what was open is the client's");
}

#[tokio::test(start_paused = true)]
async fn a_start_opens_them_and_whoever_waited_needs_no_handshake() -> Result<(), Box<dyn Error>> {
    let server = Server::new();
    let (client, preconnect) = kept(server.clone(), HTTP, 3);
    let starter = Functions::new(|_| async { Ok::<_, StartError>(()) });
    let layer = WarmLayer::new(preconnect.around(starter)).ramp(SECOND, 3, 3);
    let handle = layer.handle();
    let service = layer.layer(client);
    let mut all = JoinSet::new();
    for _ in 0..3 {
        all.spawn(service.clone().oneshot(request("http://gpu/")));
    }
    let mut states = handle.subscribe();
    assert!(states.ready().await);
    assert_eq!((server.accepted(), handle.stats().passed), (3, 0), "before anybody has passed");
    for answer in all.join_all().await {
        let answer = answer?;
        assert_eq!(answer.status(), StatusCode::OK);
        answer.into_body().collect().await?;
    }
    assert_eq!((server.accepted(), handle.stats().held), (3, 3));

    // While it is cold nothing goes to it.
    handle.cool();
    while handle.state() != WarmState::Cold {
        tokio::time::sleep(SECOND).await;
    }
    server.close(3);
    let pings = server.pings();
    tokio::time::sleep(300 * SECOND).await;
    assert_eq!((server.accepted(), server.pings(), preconnect.stats().open), (3, pings, 0));
    service.oneshot(request("http://gpu/")).await?.into_body().collect().await?;
    assert_eq!((server.accepted(), preconnect.stats().open), (6, 3));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_cannot_be_reached_is_not_ready() {
    let server = Server::new();
    let (client, preconnect) = kept(server.clone(), HTTP, 3);
    server.is_down.store(true, SeqCst);
    let starter = Functions::new(|_| async { Ok::<_, StartError>(()) });
    let layer = WarmLayer::new(preconnect.around(starter)).hold(8, 5 * SECOND);
    let refused = layer.layer(client).oneshot(request("http://gpu/")).await.unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(layer.handle().stats().failed > 0);
}
