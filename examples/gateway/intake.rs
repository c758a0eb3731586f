//! What comes in is read, bounded and checked before any layer spends anything on it.
//!
//! A request that one of the dialects understands leaves here with its whole body in memory and its
//! [`RequestFacts`] in its extensions; one that it cannot understand is answered in that dialect. Anything else
//! passes as it is.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use dashpot::wire::dialect::{Dialect, RequestFacts};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body as _;
use http_body_util::BodyExt;
use tower::{Layer, Service, ServiceExt};

/// So much of a body that is too long is read and thrown away, so that the client comes to read the answer. A server
/// that closes on a client in mid-write resets the connection, and the client sees that instead of the 413.
const MAX_DISCARD_BYTES: usize = 128 << 20;

#[derive(Clone, Copy, Debug)]
pub(crate) struct IntakeLayer {
    pub(crate) max_body_bytes: usize,
    pub(crate) body_timeout: Duration,
}

impl<S> Layer<S> for IntakeLayer {
    type Service = Intake<S>;

    fn layer(&self, inner: S) -> Intake<S> {
        Intake { inner, limits: *self }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Intake<S> {
    inner: S,
    limits: IntakeLayer,
}

impl<S> Service<Request<Body>> for Intake<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    /// Always ready: most of what is refused here needs no capacity of the inner service.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (inner, limits) = (self.inner.clone(), self.limits);
        Box::pin(async move {
            match limits.read(request).await {
                Ok(request) => inner.oneshot(request).await,
                Err(refusal) => Ok(refusal.into_response()),
            }
        })
    }
}

impl IntakeLayer {
    async fn read(self, request: Request<Body>) -> Result<Request<Body>, Refusal> {
        let (mut parts, body) = request.into_parts();
        let dialect = match Dialect::from_path(parts.uri.path()) {
            Some(dialect) if parts.method == Method::POST => dialect,
            _ => return Ok(Request::from_parts(parts, body)),
        };
        let body = self.collect(body).await.map_err(|(status, why)| Refusal { dialect, status, why })?;
        let facts = dialect.read_request(parts.uri.path(), &body).map_err(|error| Refusal {
            dialect,
            status: StatusCode::BAD_REQUEST,
            why: error.to_string(),
        })?;
        let RequestFacts { model, stream, input_tokens_estimate, .. } = &facts;
        tracing::debug!(dialect = dialect.name(), model, stream, input_tokens_estimate, "request");
        parts.extensions.insert(dialect);
        parts.extensions.insert(facts);
        // A compressed stream cannot be watched, and a proxy's other end gains little from it.
        parts.headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        parts.headers.remove(header::CONTENT_LENGTH);
        Ok(Request::from_parts(parts, Body::from(body)))
    }

    /// The whole body, within the bounds of size and time.
    async fn collect(self, body: Body) -> Result<Bytes, (StatusCode, String)> {
        let max = self.max_body_bytes;
        // What the client says of the length saves work, but is not believed: the bytes are counted all the same.
        let mut too_long = body.size_hint().lower() > max as u64;
        let mut kept = BytesMut::new();
        let mut seen = 0_usize;
        let mut body = std::pin::pin!(body);
        let read = async {
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|error| {
                    (StatusCode::BAD_REQUEST, format!("the request's body broke off: {error}"))
                })?;
                let Some(data) = frame.data_ref() else { continue };
                seen += data.len();
                too_long |= seen > max;
                if !too_long {
                    kept.extend_from_slice(data);
                } else if seen > max.saturating_add(MAX_DISCARD_BYTES) {
                    break;
                }
            }
            Ok(())
        };
        let result = tokio::time::timeout(self.body_timeout, read).await;
        if too_long {
            let why = format!("the request's body is longer than the {max} bytes that are allowed");
            return Err((StatusCode::PAYLOAD_TOO_LARGE, why));
        }
        match result {
            Ok(read) => read.map(|()| kept.freeze()),
            Err(_) => {
                let why = format!("the request's body did not come within {:?}", self.body_timeout);
                Err((StatusCode::REQUEST_TIMEOUT, why))
            }
        }
    }
}

/// An answer of the gateway's own, in the words of the API that the client speaks.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) dialect: Dialect,
    pub(crate) status: StatusCode,
    pub(crate) why: String,
}

impl Refusal {
    pub(crate) fn into_response(self) -> Response<Body> {
        let Self { dialect, status, why } = self;
        tracing::warn!(dialect = dialect.name(), status = status.as_u16(), why, "refused");
        ::metrics::counter!("gateway_refused_total", "dialect" => dialect.name(), "status" => status.as_u16().to_string())
            .increment(1);
        let mut response = Response::new(Body::from(dialect.error_body(status.as_u16(), &why)));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}
