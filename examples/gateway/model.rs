//! What only requests that a model has to work on pass: they wait until it is warm, and then pass the breaker and the limit.

use std::{convert::Infallible, pin::Pin};

use axum::body::Body;
use bytes::Bytes;
use dashpot::{breaker::BreakerLayer, limit::LimitLayer, wire::dialect::Dialect};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, util::BoxCloneSyncService};

use crate::{refusal::Refusal, warm};

/// The service that all of the stack further in makes.
type Inner = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// What stands around one upstream.
///
/// Whoever waits for a start waits outermost: they hold no slot, their wait is no slowness of the upstream, and one who
/// leaves meanwhile no failure of it.
///
/// The breaker is around the limit: whoever it holds until the upstream is back holds no slot, and what the limit refuses is no
/// failure of the upstream.
#[derive(Clone, Debug)]
pub(crate) struct ModelLayer {
    pub(crate) warm: Option<warm::Models>,
    pub(crate) limit: LimitLayer,
    pub(crate) breaker: BreakerLayer,
}

impl<S, B> Layer<S> for ModelLayer
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes, Error: Into<axum::BoxError>> + Send + 'static,
{
    type Service = Model;

    fn layer(&self, inner: S) -> Model {
        let guarded = ServiceBuilder::new().layer(&self.breaker).layer(&self.limit).service(inner.clone());
        let warmed = self.warm.as_ref().map(|models| {
            let warmed = ServiceBuilder::new()
                .map_response(|response: Response<_>| response.map(Body::new))
                .layer(models.layer.clone())
                .map_request(|request: Request<Full<Bytes>>| request.map(Body::new))
                .service(guarded.clone());
            (models.clone(), BoxCloneSyncService::new(warmed))
        });
        let guarded =
            BoxCloneSyncService::new(guarded.map_response(|response: Response<_>| response.map(Body::new)));
        Model {
            warmed,
            guarded,
            beside: BoxCloneSyncService::new(
                inner.map_response(|response: Response<_>| response.map(Body::new)),
            ),
        }
    }
}

/// Requests that a model has to work on are guarded. Others, such as a list of models, pass beside: they take no slot,
/// wait for none, and how they fare says nothing about the model.
#[derive(Debug)]
pub(crate) struct Model {
    warmed: Option<(warm::Models, Warmed)>,
    guarded: Inner,
    beside: Inner,
}

/// With the body in one piece, since it may have to be sent again.
type Warmed = BoxCloneSyncService<Request<Full<Bytes>>, Response<Body>, Infallible>;

/// An answer to come.
pub(crate) type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl Model {
    /// No service, but what clones the one that is needed: which that is, only the request can tell.
    pub(crate) fn call(&self, request: Request<Body>) -> Answer {
        // The intake has put it there, after it has read what is to be worked on.
        let is_for_a_model = request.extensions().get::<Dialect>().is_some();
        if !is_for_a_model {
            return Box::pin(self.beside.clone().oneshot(request));
        }
        let facts = request.extensions().get();
        match &self.warmed {
            Some((models, warmed)) if models.has(facts) => {
                let warmed = warmed.clone();
                Box::pin(async move {
                    let refusal =
                        Refusal::of(&request, StatusCode::BAD_REQUEST, "the request's body broke off");
                    let (head, body) = request.into_parts();
                    // The intake has read all of it: there is nothing to wait for, and mostly nothing to copy.
                    match body.collect().await {
                        Ok(body) => {
                            warmed.oneshot(Request::from_parts(head, Full::new(body.to_bytes()))).await
                        }
                        Err(_) => Ok(refusal.into_response()),
                    }
                })
            }
            _ => Box::pin(self.guarded.clone().oneshot(request)),
        }
    }
}
