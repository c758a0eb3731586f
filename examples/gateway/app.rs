//! The service: axum's router around the stack of layers.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use ::metrics::gauge;
use axum::{
    Router,
    body::Body,
    extract::State,
    middleware,
    response::{Html, IntoResponse},
    routing::get,
};
use dashpot::sse::{MetricsObserver, SsePassthroughLayer};
use http::{Request, Response, StatusCode, header};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::runtime::Handle;
use tower::{Service, ServiceBuilder};

use crate::{config::Config, exchange, intake::IntakeLayer, metrics, proxy::Proxy};

/// Routes, and whether this process is on its way out.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) router: Router,
    draining: Arc<AtomicBool>,
}

impl App {
    pub(crate) fn new(config: &Config) -> Result<Self, String> {
        let draining = Arc::new(AtomicBool::new(false));
        let metrics = metrics::install()?;
        let router = Router::new()
            .fallback_service(stack(config)?)
            .layer(middleware::from_fn(exchange::track))
            .route("/", get(async || Html(include_str!("page.html"))))
            .route("/healthz", get(async || "ok\n"))
            .route("/readyz", get(ready).with_state(draining.clone()))
            .route("/metrics", get(render).with_state(metrics));
        Ok(Self { router, draining })
    }

    /// From now on `/readyz` sends new traffic elsewhere.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }
}

/// The layers, outermost first. Deadline, rate, cache, queue, limit, breaker and warm-up will stand between intake
/// and SSE, in this order.
fn stack(
    config: &Config,
) -> Result<
    impl Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + Sync
    + use<>,
    String,
> {
    let intake = IntakeLayer::new(&config.intake);
    let sse = SsePassthroughLayer::new().harden_headers(config.sse.harden_headers).observer(MetricsObserver);
    Ok(ServiceBuilder::new()
        .layer(intake)
        .map_response(|response: Response<_>| response.map(Body::new))
        .layer(sse)
        .service(Proxy::new(&config.upstream)?))
}

async fn ready(State(draining): State<Arc<AtomicBool>>) -> (StatusCode, &'static str) {
    if draining.load(Ordering::Relaxed) {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
    } else {
        (StatusCode::OK, "ready\n")
    }
}

async fn render(State(metrics): State<PrometheusHandle>) -> impl IntoResponse {
    gauge!("gateway_tasks").set(Handle::current().metrics().num_alive_tasks() as f64);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], metrics.render())
}
