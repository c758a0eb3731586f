//! What `/metrics` shows beside what is counted as it happens.

use std::sync::Arc;

use ::metrics::{counter, gauge};
use axum::{extract::State, response::IntoResponse};
use dashpot::{
    cache::Handle as CacheHandle,
    sse::{HeartbeatHandle, ModeHandle},
};
use http::header;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::runtime::Handle;

use crate::{
    breaker,
    cache::{self, AnyStore},
    limit,
    resume::{self, Resume},
    upstreams::Upstream,
};

/// What `/metrics` is made of.
#[derive(Clone)]
pub(crate) struct Shown {
    pub(crate) metrics: PrometheusHandle,
    pub(crate) upstreams: Arc<[Upstream]>,
    pub(crate) heartbeats: HeartbeatHandle,
    pub(crate) resume: Option<Resume>,
    pub(crate) modes: ModeHandle,
    pub(crate) cache: Option<CacheHandle<AnyStore>>,
}

pub(crate) async fn render(State(shown): State<Shown>) -> impl IntoResponse {
    for upstream in &*shown.upstreams {
        let (around, label) = (&upstream.around, upstream.label());
        limit::publish(&around.limit.handle(), &label);
        breaker::publish(&around.breaker, &label);
        if let Some(warm) = &around.warm {
            warm.publish(&label);
        }
    }
    counter!("gateway_heartbeats_total").absolute(shown.heartbeats.sent());
    if let Some(handle) = &shown.cache {
        cache::publish(handle);
    }
    if let Some(resume) = &shown.resume {
        resume::publish(resume);
    }
    let modes = shown.modes.stats();
    for (change, count) in
        [("collected", modes.collected), ("expanded", modes.expanded), ("failed", modes.failed)]
    {
        counter!("gateway_modes_total", "change" => change).absolute(count);
    }
    gauge!("gateway_tasks").set(Handle::current().metrics().num_alive_tasks() as f64);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], shown.metrics.render())
}
