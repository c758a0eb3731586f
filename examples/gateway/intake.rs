//! What comes in is read, bounded and checked before any layer spends anything on it.
//!
//! A request that one of the dialects understands leaves here with its whole body in memory and its
//! [`RequestFacts`] in its extensions; one that it cannot understand is answered in that dialect. Anything else
//! passes as it comes, as long as it comes.

use std::{
    convert::Infallible,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use bytes::BytesMut;
use dashpot::{
    core::Arrival,
    wire::dialect::{Dialect, RequestFacts},
};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use tower::{Layer, Service, ServiceExt};
use tower_http::timeout::TimeoutBody;

use crate::{config, refusal::Refusal};

/// So much of a body that is too long is read and thrown away, so that the client comes to read the answer. A server
/// that closes on a client in mid-write resets the connection, and the client sees that instead of the 413.
const MAX_DISCARD_BYTES: usize = 128 << 20;

#[derive(Clone, Debug)]
pub(crate) struct IntakeLayer {
    max_body_bytes: usize,
    body_timeout: Duration,
    /// One permit for each byte of all bodies that are in memory.
    memory: Arc<Semaphore>,
}

impl IntakeLayer {
    pub(crate) fn new(config: &config::Intake) -> Self {
        Self {
            max_body_bytes: config.max_body_bytes,
            body_timeout: config.body_timeout(),
            memory: Arc::new(Semaphore::new(config.max_memory_bytes.min(Semaphore::MAX_PERMITS))),
        }
    }
}

impl<S> Layer<S> for IntakeLayer {
    type Service = Intake<S>;

    fn layer(&self, inner: S) -> Intake<S> {
        Intake { inner, layer: self.clone() }
    }
}

/// The room that a body takes; in the extensions of its request, for whoever sends it to keep until the upstream has it.
pub(crate) type Memory = Arc<OwnedSemaphorePermit>;

#[derive(Clone, Debug)]
pub(crate) struct Intake<S> {
    inner: S,
    layer: IntakeLayer,
}

impl<S, B> Service<Request<Body>> for Intake<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: http_body::Body<Data = bytes::Bytes, Error: Into<axum::BoxError>> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    /// Always ready: most of what is refused here needs no capacity of the inner service.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        // Deadlines further in count from here.
        Arrival::of(&mut request, Instant::now().into_std());
        let (inner, layer) = (self.inner.clone(), self.layer.clone());
        Box::pin(async move {
            match layer.take(request).await {
                Ok(request) => Ok(inner.oneshot(request).await?.map(Body::new)),
                Err(refusal) => Ok(refusal.into_response()),
            }
        })
    }
}

impl IntakeLayer {
    async fn take(&self, request: Request<Body>) -> Result<Request<Body>, Refusal> {
        check(&request)?;
        let dialect = match Dialect::from_path(request.uri().path()) {
            Some(dialect) if request.method() == Method::POST => dialect,
            _ => {
                let timeout = self.body_timeout;
                return Ok(request.map(|body| Body::new(TimeoutBody::new(timeout, body))));
            }
        };
        let (mut request, body, memory) = self.read(request).await?;
        let facts = dialect
            .read_request(request.uri().path(), &body)
            .map_err(|error| Refusal::of(&request, StatusCode::BAD_REQUEST, error.to_string()))?;
        let RequestFacts { model, stream, input_tokens_estimate, .. } = &facts;
        tracing::debug!(dialect = dialect.name(), model, stream, input_tokens_estimate, "request");
        request.extensions_mut().insert(dialect);
        request.extensions_mut().insert(facts);
        if let Some(memory) = memory {
            request.extensions_mut().insert::<Memory>(Arc::new(memory));
        }
        let headers = request.headers_mut();
        // A compressed stream cannot be watched, and a proxy's other end gains little from it.
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.remove(header::CONTENT_LENGTH);
        headers.remove(header::EXPECT);
        Ok(request.map(|()| Body::from(body.freeze())))
    }

    /// The whole body, within the bounds of size, time and memory.
    async fn read(
        &self,
        request: Request<Body>,
    ) -> Result<(Request<()>, BytesMut, Option<OwnedSemaphorePermit>), Refusal> {
        let (parts, body) = request.into_parts();
        let request = Request::from_parts(parts, ());
        let refuse = |status, why: String| Err(Refusal::of(&request, status, why));
        let max = self.max_body_bytes;
        let too_long = || format!("the request's body is longer than the {max} bytes that are allowed");
        // What the client says of the length saves work, but is not believed: the bytes are counted all the same.
        let mut is_too_long = body.size_hint().lower() > max as u64;
        // A client that asks first is told before it sends anything.
        if is_too_long && request.headers().contains_key(header::EXPECT) {
            return refuse(StatusCode::PAYLOAD_TOO_LARGE, too_long());
        }
        let mut kept = BytesMut::new();
        let mut memory: Option<OwnedSemaphorePermit> = None;
        let mut seen = 0_usize;
        let mut body = pin!(body);
        let mut late = pin!(tokio::time::sleep(self.body_timeout));
        loop {
            let frame = tokio::select! {
                // In this order: mostly it is all here, and no timer is needed.
                biased;
                frame = body.frame() => frame,
                () = &mut late => {
                    if is_too_long {
                        break;
                    }
                    let why = format!("the request's body did not come within {:?}", self.body_timeout);
                    return refuse(StatusCode::REQUEST_TIMEOUT, why);
                }
            };
            let data = match frame {
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
                Some(Err(error)) => {
                    return refuse(StatusCode::BAD_REQUEST, format!("the request's body broke off: {error}"));
                }
                None => break,
            };
            seen += data.len();
            is_too_long |= seen > max;
            if is_too_long {
                (kept, memory) = (BytesMut::new(), None);
                if seen > max.saturating_add(MAX_DISCARD_BYTES) {
                    break;
                }
            } else {
                // No frame is longer than a connection's buffer.
                let bytes = u32::try_from(data.len()).unwrap_or(u32::MAX);
                let Ok(more) = self.memory.clone().try_acquire_many_owned(bytes) else {
                    let why = "the gateway holds as many request bodies as it may".to_owned();
                    return refuse(StatusCode::SERVICE_UNAVAILABLE, why);
                };
                match &mut memory {
                    Some(memory) => memory.merge(more),
                    None => memory = Some(more),
                }
                kept.extend_from_slice(&data);
            }
        }
        if is_too_long {
            return refuse(StatusCode::PAYLOAD_TOO_LARGE, too_long());
        }
        Ok((request, kept, memory))
    }
}

/// Refuses what must not reach an upstream, whatever its path.
fn check(request: &Request<Body>) -> Result<(), Refusal> {
    let refuse = |status, why: &str| Err(Refusal::of(request, status, why));
    let (method, path) = (request.method(), request.uri().path());
    if *method == Method::CONNECT || *method == Method::TRACE {
        return refuse(StatusCode::METHOD_NOT_ALLOWED, "this is no proxy for CONNECT and TRACE");
    }
    // Past the upstream's base path they would come to something else.
    let mut segments = path.split('/');
    let is_dots = |segment: &str| {
        segment.starts_with(['.', '%'])
            && matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
    };
    if !path.starts_with('/') || segments.any(is_dots) {
        return refuse(StatusCode::BAD_REQUEST, "the path must begin with a slash and have no dot segments");
    }
    // An HTTP/1.1 client sends no body with these unless its length is stated, and would drop this one.
    let mostly_empty = *method == Method::GET || *method == Method::HEAD;
    if mostly_empty && !request.body().is_end_stream() && request.body().size_hint().exact().is_none() {
        return refuse(StatusCode::LENGTH_REQUIRED, "a body of GET or HEAD must state its length");
    }
    if request.headers().get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity")
        && Dialect::from_path(path).is_some()
    {
        return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the request's body must not be compressed");
    }
    Ok(())
}
