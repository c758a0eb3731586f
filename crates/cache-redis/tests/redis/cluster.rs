use std::{net::TcpListener, time::Duration};

use dashpot_cache::{Acquired, Index, Leases, Removal, Store};
use dashpot_cache_redis::{Config, RedisStore, Semantic};
use dashpot_testkit::servers::Redis;
use futures_util::future::join_all;
use tokio::time::{Instant, timeout};

use crate::support::{client, entry, key, place, shared, soon, tenant, until};

/// Three nodes with a third of the slots each.
async fn cluster() -> [Redis; 3] {
    let bus = [(); 3].map(|()| TcpListener::bind(("127.0.0.1", 0)).unwrap());
    let bus = bus.map(|listener| listener.local_addr().unwrap().port().to_string());
    let nodes = [0, 1, 2].map(|node| {
        // If one node is away, the others go on.
        let settings = ["--cluster-enabled", "yes", "--cluster-require-full-coverage", "no"];
        Redis::start(&[&settings[..], &["--cluster-port", &bus[node]]].concat())
    });
    let slots = [("0", "5460"), ("5461", "10922"), ("10923", "16383")];
    for (node, (first, last)) in nodes.iter().zip(slots) {
        let mut client = client(&node.url()).await;
        let mut add = redis::cmd("CLUSTER");
        add.arg("ADDSLOTSRANGE").arg(first).arg(last).exec_async(&mut client).await.unwrap();
        let mut meet = redis::cmd("CLUSTER");
        meet.arg("MEET").arg("127.0.0.1").arg(nodes[0].port()).arg(&bus[0]);
        meet.exec_async(&mut client).await.unwrap();
    }
    for node in &nodes {
        let client = client(&node.url()).await;
        until("they know each other", async || {
            let mut info = redis::cmd("CLUSTER");
            let info: String = info.arg("INFO").query_async(&mut client.clone()).await.unwrap();
            info.contains("cluster_state:ok") && info.contains("cluster_size:3")
        })
        .await;
    }
    nodes
}

#[tokio::test]
async fn a_cluster_is_used_as_one_server_and_a_node_that_dies_takes_only_its_own() {
    let mut nodes = cluster().await;
    let config: Config = nodes[0].url().parse().unwrap();
    let config = config.timeout(Duration::from_millis(300)).connect_timeout(Duration::from_secs(1));
    let config = config.cluster(&[&nodes[1].url()]).unwrap();
    let store = RedisStore::new(config).unwrap();
    soon("it is connected", store.connected()).await;
    assert_eq!(store.semantic(), Some(Semantic::VectorSets));
    let partitions = 0..30;
    for partition in partitions.clone() {
        for number in 0..3 {
            let mut kept = entry(place(partition, number), Some(&[1.0, number as f32]));
            kept.tags = vec!["a".into(), partition.to_string().into()];
            assert!(store.put(shared(kept.clone()), None).await.unwrap());
            store.insert(&kept).await.unwrap();
        }
    }
    for partition in partitions.clone() {
        assert!(store.get(place(partition, 1)).await.unwrap().is_some());
        let keys = [key(0), key(1), key(9)];
        assert_eq!(store.get_all(key(partition), &keys).await.unwrap().iter().flatten().count(), 2);
        let near = store.search(key(partition), &[1.0, 2.1], 1).await.unwrap();
        assert_eq!(near[0].key, key(2));
        let (acquired, _) = store.acquire(place(partition, 9), Duration::from_secs(1)).await.unwrap();
        let Acquired::Ours(lease) = acquired else { panic!("{acquired:?}") };
        assert!(store.put(shared(entry(place(partition, 9), None)), Some(lease)).await.unwrap());
    }
    assert!(store.find(&tenant("acme"), key(1)).await.unwrap().is_some());
    Store::remove(&store, Removal::Tagged(tenant("acme"), "7".into())).await.unwrap();
    assert!(store.get(place(7, 1)).await.unwrap().is_none());
    Store::remove(&store, Removal::Entry(tenant("acme"), key(2))).await.unwrap();
    let gets = join_all(partitions.clone().map(|partition| store.get(place(partition, 2)))).await;
    assert!(gets.into_iter().all(|found| found.unwrap().is_none()));

    nodes[2].kill();
    let ask = async |partition| {
        let answer = timeout(Duration::from_millis(500), store.get(place(partition, 1))).await;
        answer.expect("an answer or an error in time").ok().map(|found| found.is_some())
    };
    let before = Instant::now();
    let answers = join_all(partitions.clone().map(ask)).await;
    assert!(Instant::now() - before < Duration::from_secs(1));
    let found = answers.iter().filter(|answer| **answer == Some(true)).count();
    let lost = answers.iter().filter(|answer| answer.is_none()).count();
    assert!(found >= 5 && lost >= 3, "{answers:?}");
    nodes[2].restart();
    until("all can be asked", async || {
        join_all(partitions.clone().map(ask)).await.iter().all(Option::is_some)
    })
    .await;
    Store::remove(&store, Removal::Tenant(tenant("acme"))).await.unwrap();
    assert!(join_all(partitions.map(ask)).await.iter().all(|found| *found == Some(false)));
}

#[tokio::test]
async fn its_tls_is_the_systems() {
    let config: Config = "rediss://cache".parse().unwrap();
    assert!(config.clone().cluster(&["rediss://other"]).is_ok());
    assert!(config.clone().cluster(&["postgres://other"]).is_err());
    let roots = rustls::RootCertStore::empty();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let tls = tls.unwrap().with_root_certificates(roots).with_no_client_auth();
    assert!(config.tls(std::sync::Arc::new(tls)).cluster(&[]).is_err());
}
