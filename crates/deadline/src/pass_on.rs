use std::task::{Context, Poll};

use dashpot_core::{Deadline, is_grpc};
use http::{HeaderName, HeaderValue, Request};
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    future::now,
    wish::{written, written_for_grpc},
};

/// Makes services that tell the upstream how much time is left, at the moment of the call.
///
/// Innermost, next to the client: what queues and retries further out took is gone by then. A request without a
/// [`Deadline`] passes as it is, and so do the headers of one that is neither gRPC nor has a header to write to.
#[derive(Clone, Debug, Default)]
pub struct PassOnLayer {
    header: Option<HeaderName>,
}

impl PassOnLayer {
    /// A layer that writes `grpc-timeout` into gRPC calls.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes this header into all other requests: a decimal number of seconds, or of milliseconds if the name ends in
    /// `-ms`. Default: none.
    #[must_use]
    pub fn header(self, name: HeaderName) -> Self {
        Self { header: Some(name) }
    }
}

impl<S> Layer<S> for PassOnLayer {
    type Service = PassOn<S>;

    fn layer(&self, inner: S) -> PassOn<S> {
        PassOn { inner, header: self.header.clone() }
    }
}

/// A service that tells the upstream how much time is left.
#[derive(Clone, Debug)]
pub struct PassOn<S> {
    inner: S,
    header: Option<HeaderName>,
}

impl<S, B> Service<Request<B>> for PassOn<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        if let Some(deadline) = request.extensions().get::<Deadline>().copied() {
            let left = deadline.remaining(now());
            let (name, value) = if is_grpc(request.headers()) {
                (Some(HeaderName::from_static("grpc-timeout")), written_for_grpc(left))
            } else {
                let value = self.header.as_ref().map(|name| written(left, name)).unwrap_or_default();
                (self.header.clone(), value)
            };
            if let (Some(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
                request.headers_mut().insert(name, value);
            }
        }
        self.inner.call(request)
    }
}
