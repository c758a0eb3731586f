use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::PrefixLayer;
use crate::permit::now;

/// A service that notes whose prompt caches its requests read.
#[derive(Clone, Debug)]
pub struct KeepPrefix<S> {
    inner: S,
    layer: PrefixLayer,
}

impl<S> KeepPrefix<S> {
    pub(super) fn new(inner: S, layer: PrefixLayer) -> Self {
        Self { inner, layer }
    }
}

impl<S, Q, B> Service<Request<Q>> for KeepPrefix<S>
where
    S: Service<Request<Q>, Response = Response<B>>,
    Q: Body,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = KeepPrefixFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let reads = self.layer.key(&request).map(|key| Reads { key, at: now(), layer: self.layer.clone() });
        KeepPrefixFuture { inner: self.inner.call(request), reads }
    }
}

/// A request that reads the cache of a prefix, if it is answered well.
#[derive(Debug)]
struct Reads {
    key: Arc<str>,
    at: Instant,
    layer: PrefixLayer,
}

pin_project! {
    /// The answer of a [`KeepPrefix`].
    #[derive(Debug)]
    pub struct KeepPrefixFuture<F> {
        #[pin]
        inner: F,
        reads: Option<Reads>,
    }
}

impl<F, B, E> Future for KeepPrefixFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<B>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.inner.poll(cx));
        if let (Ok(answer), Some(Reads { key, at, layer })) = (&result, this.reads.take())
            && answer.status().is_success()
        {
            layer.came(&key, at);
        }
        Poll::Ready(result)
    }
}
