//! An answer of the gateway's own, in the words of the API that the client speaks.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::Body;
use dashpot::{core::Rejection, wire::dialect::Dialect};
use http::{HeaderValue, Request, Response, StatusCode, header};
use tower::{Layer, Service};

#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) dialect: Dialect,
    pub(crate) status: StatusCode,
    pub(crate) why: String,
}

impl Refusal {
    /// A refusal of a request. Where it has no dialect, OpenAI's shape is the one that most clients know.
    pub(crate) fn of<B>(request: &Request<B>, status: StatusCode, why: impl Into<String>) -> Self {
        let dialect = Dialect::from_path(request.uri().path()).unwrap_or(Dialect::OpenAiChat);
        Self { dialect, status, why: why.into() }
    }

    /// What a layer has refused, and when to try again.
    fn rejected(dialect: Dialect, rejection: &Rejection) -> Response<Body> {
        let refusal = Self { dialect, status: rejection.status(), why: rejection.reason().into() };
        // One each would fill the log just when there is too much to do; the metrics count them.
        tracing::debug!(dialect = dialect.name(), layer = rejection.layer(), refusal.why, "refused");
        let mut response = refusal.answer();
        for name in ["retry-after", "retry-after-ms"] {
            if let Some(value) = rejection.problem().headers().get(name) {
                response.headers_mut().insert(name, value.clone());
            }
        }
        response
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let Self { dialect, status, why } = &self;
        let (dialect_name, code) = (dialect.name(), status.as_u16());
        if status.is_server_error() {
            tracing::warn!(dialect = dialect_name, status = code, why, "answered for the upstream");
        } else {
            // What clients do wrong must not fill the log of those who run the gateway.
            tracing::info!(dialect = dialect_name, status = code, why, "refused");
        }
        self.answer()
    }

    fn answer(self) -> Response<Body> {
        let Self { dialect, status, why } = self;
        let (dialect_name, code) = (dialect.name(), status.as_u16());
        metrics::counter!("gateway_refused_total", "dialect" => dialect_name, "status" => code.to_string())
            .increment(1);
        let mut response = Response::new(Body::from(dialect.error_body(code, &why)));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        // Caches keep some of these, as 404 and 410, unless they are told not to.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

/// Says what any layer further in has refused in the words of the API that the client speaks. The layers know none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InWordsLayer;

impl<S> Layer<S> for InWordsLayer {
    type Service = InWords<S>;

    fn layer(&self, inner: S) -> InWords<S> {
        InWords(inner)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct InWords<S>(S);

impl<S, B> Service<Request<Body>> for InWords<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
    S::Future: Send + 'static,
    B: http_body::Body<Data = bytes::Bytes, Error: Into<axum::BoxError>> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let dialect = Dialect::from_path(request.uri().path());
        let answer = self.0.call(request);
        Box::pin(async move {
            let answer = answer.await?;
            match (dialect, answer.extensions().get::<Rejection>()) {
                (Some(dialect), Some(rejection)) => Ok(Refusal::rejected(dialect, rejection)),
                _ => Ok(answer.map(Body::new)),
            }
        })
    }
}
