use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use dashpot_wire::dialect::Dialect;
use http::{Request, Response};
use http_body::Body;
use tokio::time::Instant;
use tower_service::Service;

use crate::{
    Observer, ResponseBody, ResponseFuture,
    future::Exchange,
    layer::{Config, Shared},
};

/// A service whose event streams are watched as they pass.
pub struct SsePassthrough<S, O = ()> {
    inner: S,
    config: Config,
    shared: Arc<Shared<O>>,
}

impl<S, O> SsePassthrough<S, O> {
    pub(crate) fn new(inner: S, config: Config, shared: Arc<Shared<O>>) -> Self {
        Self { inner, config, shared }
    }
}

impl<S, O, ReqBody, ResBody> Service<Request<ReqBody>> for SsePassthrough<S, O>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    O: Observer,
    ResBody: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<ResBody, O>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, O>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let dialect = dialect(self.config.dialect, &request);
        let exchange = Exchange {
            shared: self.shared.clone(),
            method: request.method().clone(),
            dialect,
            harden_headers: self.config.harden_headers,
            called: Instant::now(),
        };
        ResponseFuture::new(self.inner.call(request), exchange)
    }
}

/// The dialect of an exchange: the one that was set, else as the request says.
pub(crate) fn dialect<B>(set: Option<Dialect>, request: &Request<B>) -> Option<Dialect> {
    set.or_else(|| request.extensions().get().copied()).or_else(|| Dialect::from_path(request.uri().path()))
}

// Not derived: `O` need not be `Clone`.
impl<S: Clone, O> Clone for SsePassthrough<S, O> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), config: self.config, shared: self.shared.clone() }
    }
}

impl<S: fmt::Debug, O> fmt::Debug for SsePassthrough<S, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SsePassthrough")
            .field("inner", &self.inner)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
