//! What is recorded with the `metrics` crate, as Prometheus is told of it.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{Model, SECOND, request};
use dashpot_warm::{MetricsObserver, WarmLayer, policy::Fixed};
use metrics_exporter_prometheus::PrometheusBuilder;
use tower::{Layer, ServiceExt};

#[test]
fn transitions_starts_and_cold_requests_are_recorded() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let model = Model::new();
            let layer = WarmLayer::new(model.starter(10 * SECOND))
                .hold(1, 5 * SECOND)
                .policy(Fixed::new(60 * SECOND))
                .observer(MetricsObserver);
            let ask = || layer.layer(model.service()).oneshot(request("/"));
            let (late, refused) = tokio::join!(ask(), ask());
            assert!(late.is_ok() && refused.is_ok());
            assert!(layer.handle().subscribe().ready().await);
            drop(ask().await.unwrap());
            tokio::time::sleep(100 * SECOND).await;
        });
    });
    let text = handle.render();
    let mut recorded: Vec<_> =
        text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    recorded.retain(|line| !line.contains("quantile"));
    recorded.sort_unstable();
    let part = |part: &str, took: u32| {
        [
            format!("warm_start_seconds_count{{part=\"{part}\"}} 1"),
            format!("warm_start_seconds_sum{{part=\"{part}\"}} {took}"),
        ]
    };
    let change = |from: &str, to: &str| format!("warm_transitions_total{{from=\"{from}\",to=\"{to}\"}} 1");
    let mut expected: Vec<String> = ["held", "refused", "timed_out"]
        .map(|what| format!("warm_cold_requests_total{{what=\"{what}\"}} 1"))
        .into();
    expected.extend([part("prime", 1), part("probe", 0), part("start", 10)].concat());
    expected.extend([
        change("cold", "starting"),
        change("draining", "cold"),
        change("priming", "ramping"),
        change("probing", "priming"),
        change("ramping", "warm"),
        change("starting", "probing"),
        change("warm", "draining"),
    ]);
    expected.sort_unstable();
    assert_eq!(recorded, expected);
}
