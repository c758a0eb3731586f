//! Many threads at once, with starts, losses, orders and clients that leave: whoever stays gets an answer.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use common::{Model, request};
use dashpot_warm::{WarmLayer, WarmState, policy::Fixed};
use http::StatusCode;
use http_body_util::BodyExt;
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use tokio::task::JoinSet;
use tower::{Layer, ServiceExt};

const LONG: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_stays_gets_an_answer_whatever_happens() {
    let model = Model::new();
    // As short as can be, so that all of it happens often.
    let layer = WarmLayer::new(model.starter(Duration::from_millis(2)))
        .policy(Fixed::new(Duration::from_millis(1)))
        .hold(u32::MAX, LONG)
        .ramp(Duration::from_millis(3), 1, 4)
        .retry(Duration::from_millis(1), Duration::from_millis(4));
    let mut all = JoinSet::new();
    for seed in 0..32 {
        let (layer, model) = (layer.clone(), model.clone());
        all.spawn(async move {
            let mut random = SmallRng::seed_from_u64(seed);
            let (mut answered, mut left) = (0, 0);
            for _ in 0..200 {
                let call = async {
                    let answer = layer.layer(model.service()).oneshot(request("/")).await.unwrap();
                    let status = answer.status();
                    answer.into_body().collect().await.unwrap();
                    status
                };
                match random.random_range(0..20) {
                    0 => layer.handle().cool(),
                    1 => layer.handle().warm(),
                    2 => model.fails.store(1, SeqCst),
                    8 => model.panics.store(1, SeqCst),
                    3 => tokio::time::sleep(Duration::from_millis(random.random_range(0..5))).await,
                    4..8 => {
                        let patience = Duration::from_micros(random.random_range(0..4000));
                        left += u32::from(tokio::time::timeout(patience, call).await.is_err());
                    }
                    _ => {
                        let status = tokio::time::timeout(LONG, call).await.expect("it waits for ever");
                        assert_eq!(status, StatusCode::OK, "the upstream was not up");
                        answered += 1;
                    }
                }
            }
            (answered, left)
        });
    }
    let (answered, left) =
        all.join_all().await.into_iter().fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
    let handle = layer.handle();
    let stats = handle.stats();
    println!("{answered} answered, {left} left; {stats:?}");
    assert_eq!((stats.in_flight, stats.waiting), (0, 0));
    // Each start is followed by a stop before the next, or else there were two at once.
    let log = model.log();
    let orders: Vec<_> = log.iter().filter(|line| *line == "start " || *line == "stop ").collect();
    for pair in orders.windows(2) {
        assert_ne!(pair, ["start ", "start "]);
    }
    handle.cool();
    tokio::time::timeout(LONG, async {
        while handle.state() != WarmState::Cold {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await
    .unwrap();
    assert_eq!(
        model.log().iter().rfind(|line| line.starts_with("sta") || line.starts_with("sto")).unwrap(),
        "stop "
    );
}
