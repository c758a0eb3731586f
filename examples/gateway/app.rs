//! The service: axum's router around the stack of layers.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use ::metrics::{counter, gauge};
use axum::{
    Router,
    body::Body,
    extract::State,
    middleware,
    response::{Html, IntoResponse},
    routing::get,
};
use dashpot::{
    cache::{CacheLayer, Handle as CacheHandle, MemoryStore, RequestBody},
    deadline::{DeadlineLayer, PassOnLayer},
    limit::Handle as LimitHandle,
    sse::{
        HeartbeatHandle, HeartbeatLayer, MetricsObserver, ModeHandle, ModeLayer, PeekFirstLayer,
        SsePassthroughLayer,
    },
};
use http::{Request, Response, StatusCode, header};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::runtime::Handle;
use tower::{Service, ServiceBuilder};

use crate::{
    breaker, cache,
    config::{self, Config, Keep},
    exchange,
    intake::IntakeLayer,
    limit, metrics,
    model::ModelLayer,
    proxy::Proxy,
    refusal::InWordsLayer,
    resume::{self, Resume},
    warm,
};

/// An error event is far smaller. A first event that is larger is none, and need not be kept to be sure.
const PEEK_BYTES: usize = 16 << 10;

/// Routes, whether this process is on its way out, and what it should leave to the next.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) router: Router,
    model: ModelLayer,
    cache: Option<CacheHandle<MemoryStore>>,
    warm: Option<warm::Models>,
    draining: Arc<AtomicBool>,
}

impl App {
    pub(crate) fn new(config: &Config) -> Result<Self, String> {
        let draining = Arc::new(AtomicBool::new(false));
        let metrics = metrics::install()?;
        let warm = warm::Models::new(config)?;
        if let Some(warm) = &warm {
            warm.follow_policy();
        }
        let (limit, breaker) = (limit::layer(&config.limit), breaker::layer(&config.breaker));
        let model = ModelLayer { warm: warm.clone(), limit, breaker };
        let heartbeat = HeartbeatLayer::new(config.sse.heartbeat());
        let resume = resume::new(&config.sse).map_err(|error| error.to_string())?;
        let mode = config.mode.layer();
        let cache = cache::layer(config)?;
        let cache_handle = cache.as_ref().map(CacheLayer::handle);
        let shown = Shown {
            metrics,
            model: model.clone(),
            warm: warm.clone(),
            heartbeats: heartbeat.handle(),
            resume: resume.clone(),
            modes: mode.handle(),
            cache: cache_handle.clone(),
        };
        let awaited = warm.clone().filter(|_| config.warm.keep == Keep::Always);
        let readiness = (draining.clone(), awaited);
        let router = Router::new()
            .fallback_service(stack(config, heartbeat, resume, mode, cache, model.clone())?)
            .layer(middleware::from_fn(exchange::track))
            .route("/", get(async || Html(include_str!("page.html"))))
            .route("/healthz", get(async || "ok\n"))
            .route("/readyz", get(ready).with_state(readiness))
            .route("/metrics", get(render).with_state(shown));
        // A server that we have not started is not ours to stop.
        let warm = warm.filter(|_| !config.warm.command.is_empty());
        Ok(Self { router, model, cache: cache_handle, warm, draining })
    }

    /// What the next process may want to know of the upstream.
    pub(crate) fn limit(&self) -> LimitHandle {
        self.model.limit.handle()
    }

    /// Answers that the next process can give again.
    pub(crate) fn cache(&self) -> Option<CacheHandle<MemoryStore>> {
        self.cache.clone()
    }

    /// The model server's process, if it is ours.
    pub(crate) fn process(&self) -> Option<warm::Models> {
        self.warm.clone()
    }

    /// From now on `/readyz` sends new traffic elsewhere.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }
}

/// The layers, outermost first. Rate will stand before the cache, and the queue behind it.
///
/// - Heartbeats are outermost: they are the gateway's own, and must not pass for signs of the upstream's life.
/// - Streams that can be resumed are next: who comes back is answered there, and not by the model.
/// - The intake is before the limit: a body that is still on its way holds no slot.
/// - The mode is behind it, since it changes the body, and outside of all that looks at streams: who wants a whole answer
///   has their clocks all the same.
/// - The deadline counts from the intake on what all others take. What is left is told to the upstream at the last moment.
/// - The cache is behind the mode, so that it is asked in the mode that is wanted, and behind the deadline, which is each
///   caller's own where several wait for one call. What it answers takes no slot.
/// - Who waits for a start of the upstream waits behind the cache, which needs none, and before the limit, whose slots are
///   for those whom the upstream works for.
/// - The breaker is within the limit: what it refuses takes a slot for no time.
/// - SSE is behind both: it tells them when the first content of a stream came, how the stream ended, and what it used. The
///   other way round they would take a ping for content, and a broken stream for a good one.
/// - The head that waits for its first event is between them: an error there is to be seen by both.
fn stack(
    config: &Config,
    heartbeat: HeartbeatLayer,
    resume: Option<Resume>,
    mode: ModeLayer,
    cache: Option<CacheLayer<MemoryStore>>,
    model: ModelLayer,
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
    let peek = PeekFirstLayer::new(config.sse.peek_first(), PEEK_BYTES);
    let (deadline, pass_on) = deadline(&config.deadline)?;
    let resume = resume.map(|resume| {
        let as_inner = |answer: Response<_>| answer.map(Body::new);
        ServiceBuilder::new().map_response(as_inner).layer(resume.layer).into_inner()
    });
    let cache = cache.map(|cache| {
        let as_inner = |answer: Response<_>| answer.map(Body::new);
        let as_asked = |request: Request<RequestBody<Body>>| request.map(Body::new);
        ServiceBuilder::new().map_response(as_inner).layer(cache).map_request(as_asked).into_inner()
    });
    let stack = ServiceBuilder::new()
        .layer(InWordsLayer)
        .layer(heartbeat)
        .option_layer(resume)
        .layer(intake)
        .layer(mode)
        .layer(deadline)
        .option_layer(cache)
        .layer(model)
        .layer(peek)
        .layer(sse)
        .layer(pass_on)
        .service(Proxy::new(&config.upstream)?);
    Ok(stack)
}

fn deadline(config: &config::Deadline) -> Result<(DeadlineLayer, PassOnLayer), String> {
    let mut deadline =
        DeadlineLayer::new().first_content(config.first_content()).gap(config.gap()).total(config.total());
    let mut pass_on = PassOnLayer::new();
    if let Some(name) = config.header()? {
        (deadline, pass_on) = (deadline.header(name.clone()), pass_on.header(name));
    }
    Ok((deadline, pass_on))
}

/// Whether this process is on its way out, and what is to be warm always.
type Readiness = (Arc<AtomicBool>, Option<warm::Models>);

async fn ready(State((draining, awaited)): State<Readiness>) -> (StatusCode, &'static str) {
    if draining.load(Ordering::Relaxed) {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
    } else if awaited.is_some_and(|models| !models.are_ready()) {
        (StatusCode::SERVICE_UNAVAILABLE, "the upstream is not warm\n")
    } else {
        (StatusCode::OK, "ready\n")
    }
}

/// What `/metrics` is made of.
#[derive(Clone)]
struct Shown {
    metrics: PrometheusHandle,
    model: ModelLayer,
    warm: Option<warm::Models>,
    heartbeats: HeartbeatHandle,
    resume: Option<Resume>,
    modes: ModeHandle,
    cache: Option<CacheHandle<MemoryStore>>,
}

async fn render(State(shown): State<Shown>) -> impl IntoResponse {
    limit::publish(&shown.model.limit.handle());
    breaker::publish(&shown.model.breaker);
    if let Some(warm) = &shown.warm {
        warm.publish();
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
