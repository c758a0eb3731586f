//! What only requests that a model has to work on pass: the limit, and within it the breaker.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::Body;
use dashpot::{breaker::BreakerLayer, limit::LimitLayer, wire::dialect::Dialect};
use http::{Request, Response};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, util::BoxCloneSyncService};

/// The service that all of the stack further in makes.
type Inner = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// The limit and the breaker of one upstream.
///
/// The breaker is within the limit: what it refuses takes a slot for no time, and teaches the limit nothing.
#[derive(Clone, Debug)]
pub(crate) struct ModelLayer {
    pub(crate) limit: LimitLayer,
    pub(crate) breaker: BreakerLayer,
}

impl<S, B> Layer<S> for ModelLayer
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = bytes::Bytes, Error: Into<axum::BoxError>> + Send + 'static,
{
    type Service = Model;

    fn layer(&self, inner: S) -> Model {
        let guarded = ServiceBuilder::new().layer(&self.limit).layer(&self.breaker).service(inner.clone());
        Model {
            guarded: BoxCloneSyncService::new(
                guarded.map_response(|response: Response<_>| response.map(Body::new)),
            ),
            beside: BoxCloneSyncService::new(
                inner.map_response(|response: Response<_>| response.map(Body::new)),
            ),
        }
    }
}

/// Requests that a model has to work on are guarded. Others, such as a list of models, pass beside: they take no slot,
/// wait for none, and how they fare says nothing about the model.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    guarded: Inner,
    beside: Inner,
}

impl Service<Request<Body>> for Model {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    /// Always ready: which of the two is needed, only the request can tell.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The intake has put it there, after it has read what is to be worked on.
        let is_for_a_model = request.extensions().get::<Dialect>().is_some();
        let service = if is_for_a_model { &self.guarded } else { &self.beside };
        Box::pin(service.clone().oneshot(request))
    }
}
