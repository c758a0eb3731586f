use std::{
    fmt, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use dashpot_wire::dialect::Dialect;
use http::{Method, Request, Response, header};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{
    RequestBody, ResponseBody, Store, exchange::exchange, flight::BoxError, layer::Shared, stats::count,
};

/// A service that answers again what was answered before.
pub struct Cache<S, St> {
    inner: S,
    shared: Arc<Shared<St>>,
}

impl<S, St> Cache<S, St> {
    pub(crate) fn new(inner: S, shared: Arc<Shared<St>>) -> Self {
        Self { inner, shared }
    }
}

impl<S, St, ReqBody, B> Service<Request<ReqBody>> for Cache<S, St>
where
    S: Service<Request<RequestBody<ReqBody>>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    St: Store,
    ReqBody: Body + Unpin + Send + 'static,
    ReqBody::Data: Send,
    ReqBody::Error: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody<B>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, B, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let Some(dialect) = dialect(&request) else {
            let inner = self.inner.call(request.map(RequestBody::unread));
            return ResponseFuture { state: State::Passing { inner } };
        };
        let (head, body) = request.into_parts();
        let Some(tenant) = (self.shared.rules.tenant)(&head) else {
            count(&self.shared.counters.bypassed);
            let inner = self.inner.call(Request::from_parts(head, RequestBody::unread(body)));
            return ResponseFuture { state: State::Passing { inner } };
        };
        // The instance that is ready looks for an answer; the clone has its own readiness to find.
        let clone = self.inner.clone();
        let ready = mem::replace(&mut self.inner, clone);
        let exchange = exchange(self.shared.clone(), ready, head, body, dialect, tenant);
        ResponseFuture { state: State::Looking { exchange: Box::pin(exchange) } }
    }
}

/// The API of a request whose answer may be kept.
fn dialect<B>(request: &Request<B>) -> Option<Dialect> {
    let is_encoded = |coding: &http::HeaderValue| !coding.as_bytes().eq_ignore_ascii_case(b"identity");
    if request.method() != Method::POST
        || request.headers().get(header::CONTENT_ENCODING).is_some_and(is_encoded)
    {
        return None;
    }
    let said = request.extensions().get().copied();
    let dialect = said.or_else(|| Dialect::from_path(request.uri().path()))?;
    let is_known = matches!(
        dialect,
        Dialect::OpenAiChat
            | Dialect::OpenAiResponses
            | Dialect::OpenAiCompletions
            | Dialect::OpenAiEmbeddings
            | Dialect::AnthropicMessages
    );
    is_known.then_some(dialect)
}

impl<S: Clone, St> Clone for Cache<S, St> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), shared: self.shared.clone() }
    }
}

impl<S: fmt::Debug, St> fmt::Debug for Cache<S, St> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("inner", &self.inner).finish_non_exhaustive()
    }
}

pin_project! {
    /// The answer of a [`Cache`].
    ///
    /// # Cancel safety
    ///
    /// Dropped, it drops the inner call, unless others wait for it too.
    pub struct ResponseFuture<F, B, E> {
        #[pin]
        state: State<F, B, E>,
    }
}

type Exchange<B, E> = Pin<Box<dyn Future<Output = Result<Response<ResponseBody<B>>, E>> + Send>>;

pin_project! {
    #[project = StateProjection]
    enum State<F, B, E> {
        Passing { #[pin] inner: F },
        Looking { exchange: Exchange<B, E> },
    }
}

impl<F, B, E> Future for ResponseFuture<F, B, E>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Passing { inner } => {
                inner.poll(cx).map(|answer| answer.map(|answer| answer.map(ResponseBody::passing)))
            }
            StateProjection::Looking { exchange } => exchange.as_mut().poll(cx),
        }
    }
}

impl<F, B, E> fmt::Debug for ResponseFuture<F, B, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
