//! The service: axum's router around the stack of layers, and how it is replaced while it runs.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use axum::{Router, extract::State, middleware, routing::get};
use dashpot::{
    cache::{CacheLayer, Handle as CacheHandle},
    sse::{HeartbeatLayer, ModeLayer},
};
use http::{Response, StatusCode};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;
use tower::util::MapResponseLayer;

use crate::{
    cache::{self, AnyStore},
    config::Config,
    exchange,
    live::Live,
    metrics, page,
    resume::{self, Resume},
    shown::{Shown, render},
    stack::stack,
    upstreams::{self, Upstream},
};

/// What serves now, and whether this process is on its way out.
#[derive(Clone, Debug)]
pub(crate) struct App {
    now: watch::Sender<Arc<Version>>,
    metrics: PrometheusHandle,
    draining: Arc<AtomicBool>,
    live: Live,
    /// One change at a time.
    changing: Arc<Mutex<()>>,
}

/// What one configuration has made. Requests that it began it ends, even if there is another one by then.
#[derive(Debug)]
pub(crate) struct Version {
    pub(crate) config: Config,
    pub(crate) router: Router,
    pub(crate) upstreams: Arc<[Upstream]>,
    pub(crate) cache: Option<CacheLayer<AnyStore>>,
    pub(crate) heartbeat: HeartbeatLayer,
    pub(crate) resume: Option<Resume>,
    pub(crate) mode: ModeLayer,
}

impl App {
    pub(crate) fn new(config: Config) -> Result<Self, String> {
        let (draining, metrics): (Arc<AtomicBool>, _) = (Arc::default(), metrics::install()?);
        let live = Live::new(draining.clone());
        let first = Version::new(config, None, &draining, &metrics, &live)?;
        live.show(&first);
        let now = watch::Sender::new(Arc::new(first));
        Ok(Self { now, metrics, draining, live, changing: Arc::default() })
    }

    /// What serves at this moment.
    pub(crate) fn version(&self) -> Arc<Version> {
        self.now.borrow().clone()
    }

    pub(crate) fn router(&self) -> Router {
        self.now.borrow().router.clone()
    }

    /// Serves by this configuration from now on. If it is not possible, nothing has changed.
    ///
    /// Whatever is configured as it was goes on with what it has learned and what it keeps; a limit goes on from where it is, and
    /// a cache keeps its answers if only times and bounds have changed; one in a shared store keeps them whatever has.
    pub(crate) fn change(&self, config: Config) -> Result<(), String> {
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.version();
        config.check_change_of(&before.config)?;
        let after = Version::new(config, Some(&before), &self.draining, &self.metrics, &self.live)?;
        let after = Arc::new(after);
        self.live.show(&after);
        self.now.send_replace(after.clone());
        for process in before.upstreams.iter().filter_map(Upstream::process) {
            let goes_on =
                |upstream: &Upstream| upstream.around.warm.as_ref().is_some_and(|warm| warm.is(process));
            if !after.upstreams.iter().any(goes_on) {
                let process = process.clone();
                tokio::spawn(async move { process.stop().await });
            }
        }
        Ok(())
    }

    /// From now on `/readyz` sends new traffic elsewhere.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }
}

impl Version {
    fn new(
        config: Config,
        before: Option<&Self>,
        draining: &Arc<AtomicBool>,
        metrics: &PrometheusHandle,
        live: &Live,
    ) -> Result<Self, String> {
        let upstreams = upstreams::all(&config, before.map_or(&[], |before| &before.upstreams))?;
        let same_sse = before.filter(|before| before.config.sse == config.sse);
        let heartbeat = match same_sse {
            Some(before) => before.heartbeat.clone(),
            None => HeartbeatLayer::new(config.sse.heartbeat()),
        };
        let resume = match same_sse {
            Some(before) => before.resume.clone(),
            None => resume::new(&config.sse).map_err(|error| error.to_string())?,
        };
        let mode = match before.filter(|before| before.config.mode == config.mode) {
            Some(before) => before.mode.clone(),
            None => config.mode.layer(),
        };
        let cached = before.and_then(|before| Some((&before.config, before.cache.as_ref()?)));
        let cache = cache::layer(&config, cached)?;
        let stack =
            stack(&config, heartbeat.clone(), resume.clone(), mode.clone(), cache.clone(), &upstreams)?;
        let shown = Shown {
            metrics: metrics.clone(),
            upstreams: upstreams.clone(),
            heartbeats: heartbeat.handle(),
            resume: resume.clone(),
            modes: mode.handle(),
            cache: cache.as_ref().map(CacheLayer::handle),
        };
        let noted = live.clone();
        let router = Router::new()
            .fallback_service(stack)
            .layer(MapResponseLayer::new(move |answer: Response<_>| {
                noted.note(answer.headers());
                answer
            }))
            .layer(middleware::from_fn(exchange::track))
            .route("/healthz", get(async || "ok\n"))
            .route("/readyz", get(ready).with_state((draining.clone(), upstreams.clone())))
            .route("/metrics", get(render).with_state(shown));
        let router = if config.page { router.merge(page::routes(live, &heartbeat)) } else { router };
        Ok(Self { config, router, upstreams, cache, heartbeat, resume, mode })
    }

    /// Answers that the next process can give again.
    pub(crate) fn cache(&self) -> Option<CacheHandle<AnyStore>> {
        self.cache.as_ref().map(CacheLayer::handle)
    }
}

/// Whether this process is on its way out, and the upstreams, of which some are to be warm always.
type Readiness = (Arc<AtomicBool>, Arc<[Upstream]>);

async fn ready(State((draining, upstreams)): State<Readiness>) -> (StatusCode, &'static str) {
    if draining.load(Ordering::Relaxed) {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
    } else if upstreams.iter().any(Upstream::is_awaited) {
        (StatusCode::SERVICE_UNAVAILABLE, "the upstream is not warm\n")
    } else {
        (StatusCode::OK, "ready\n")
    }
}
