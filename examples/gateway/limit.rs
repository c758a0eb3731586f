//! How many requests the upstream is given at once: a limit that finds itself, and what is kept of it over a restart.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::Body;
use dashpot::{
    core::Rejection,
    limit::{Handle, LimitLayer, policy::LittlesLaw},
    wire::dialect::Dialect,
};
use http::{Request, Response};
use metrics::{counter, gauge};
use tower::{Layer, Service, ServiceExt, util::BoxCloneSyncService};

use crate::{config, refusal::Refusal, state};

/// The service that all of the stack further in makes.
type Inner = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// The limit of one upstream.
#[derive(Clone, Debug)]
pub(crate) struct ModelLimitLayer {
    limit: LimitLayer,
}

impl ModelLimitLayer {
    pub(crate) fn new(config: &config::Limit) -> Self {
        let mut policy = LittlesLaw::new().max(config.max).min(config.min).initial(config.initial);
        if let Some(baseline) = config.baseline() {
            policy = policy.first_token_baseline(baseline);
        }
        let mut limit = LimitLayer::with_policy(policy);
        if config.max_waiting > 0 {
            limit = limit.wait(config.max_waiting, config.max_wait());
        }
        if let Some(snapshot) = config.state_file.as_deref().and_then(state::read) {
            limit.handle().restore(&snapshot);
        }
        Self { limit }
    }

    pub(crate) fn handle(&self) -> Handle {
        self.limit.handle()
    }
}

impl<S, B> Layer<S> for ModelLimitLayer
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = bytes::Bytes, Error: Into<axum::BoxError>> + Send + 'static,
{
    type Service = ModelLimit;

    fn layer(&self, inner: S) -> ModelLimit {
        ModelLimit {
            limited: BoxCloneSyncService::new(
                self.limit.layer(inner.clone()).map_response(|response: Response<_>| response.map(Body::new)),
            ),
            beside: BoxCloneSyncService::new(
                inner.map_response(|response: Response<_>| response.map(Body::new)),
            ),
        }
    }
}

/// Requests that a model has to work on pass the limit. Others, such as a list of models, pass beside it: they take no
/// slot, wait for none, and how fast they are says nothing about the model.
#[derive(Clone, Debug)]
pub(crate) struct ModelLimit {
    limited: Inner,
    beside: Inner,
}

impl Service<Request<Body>> for ModelLimit {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    /// Always ready: which of the two is needed, only the request can tell.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The intake has put it there, after it has read what is to be worked on.
        let Some(dialect) = request.extensions().get::<Dialect>().copied() else {
            return Box::pin(self.beside.clone().oneshot(request));
        };
        let answer = self.limited.clone().oneshot(request);
        Box::pin(async move {
            let answer = answer.await?;
            match answer.extensions().get::<Rejection>() {
                Some(rejection) => Ok(Refusal::rejected(dialect, rejection)),
                None => Ok(answer),
            }
        })
    }
}

/// Brings the metrics up to what the limit is now.
pub(crate) fn publish(limit: &Handle) {
    let stats = limit.stats();
    gauge!("gateway_limit").set(stats.limit);
    gauge!("gateway_limit_in_flight").set(stats.in_flight);
    gauge!("gateway_limit_waiting").set(stats.waiting as f64);
    counter!("gateway_limit_admitted_total").absolute(stats.admitted);
    counter!("gateway_limit_refused_total").absolute(stats.refused);
    // Absent until something is believed: 0 would be a value.
    if let Some(baseline) = stats.baseline {
        gauge!("gateway_limit_baseline_seconds").set(baseline);
    }
    if let Some(queue) = stats.queue {
        gauge!("gateway_limit_queue").set(queue);
    }
}
