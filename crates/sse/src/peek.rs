mod answer;
mod body;
mod first;
mod future;

use std::{
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use dashpot_body::Asked;
use dashpot_wire::dialect::Dialect;
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

pub use self::{body::PeekFirstBody, future::PeekFirstFuture};
use crate::service::dialect;

/// Makes services that hold back the head of an event stream until its first event is there, so that an error that comes
/// first is answered with a status, and not with 200.
///
/// Servers begin a stream before they know whether they can serve it. In that moment nothing has gone out yet: outer
/// layers and clients can try again, and need not know streams for it. Comments and `event: ping` are no first event.
///
/// The status is what the error means: 429, 400, 500, or for too much load 503, to Anthropic 529, or more exactly what
/// the error says (as 404 for `not_found_error`). The body is the error itself as the dialect writes it outside of streams
/// (or [`Dialect::error_body`] if it has no words of its own), and the head the upstream's, but for what describes the
/// stream. The outcome is in the [`BodyReport`](dashpot_core::BodyReport), with a spent allowance told from a limit.
///
/// Any other stream goes on as it is, with what was held in one frame; so it does if no event has come within the time
/// or the number of bytes. A stream of no dialect is not held: nobody knows its errors. Nor is one of a status that is no
/// success, or that is compressed.
///
/// Right around [`SsePassthrough`](crate::SsePassthrough), within the limit, the breaker, and all that tries again.
///
/// ```
/// use std::{convert::Infallible, time::Duration};
/// use bytes::Bytes;
/// use dashpot_sse::{PeekFirstLayer, SsePassthroughLayer};
/// use http::{Request, Response, header};
/// use http_body_util::{BodyExt, Full};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let stack = ServiceBuilder::new()
///     .layer(PeekFirstLayer::new(Duration::from_secs(2), 16 << 10))
///     .layer(SsePassthroughLayer::new())
///     .service(service_fn(async |_: Request<()>| {
///         let event = "data: {\"error\":{\"code\":\"rate_limit_exceeded\",\"message\":\"Slow down\"}}\n\n";
///         let answer = Response::builder().header(header::CONTENT_TYPE, "text/event-stream");
///         Ok::<_, Infallible>(answer.body(Full::<Bytes>::from(event)).unwrap())
///     }));
/// let answer = stack.oneshot(Request::post("/v1/chat/completions").body(()).unwrap()).await.unwrap();
/// assert_eq!((answer.status().as_u16(), &answer.headers()["content-type"]), (429, &"application/json".parse().unwrap()));
/// let body = answer.into_body().collect().await.unwrap().to_bytes();
/// assert_eq!(body, r#"{"error":{"code":"rate_limit_exceeded","message":"Slow down"}}"#);
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct PeekFirstLayer {
    dialect: Option<Dialect>,
    time: Duration,
    bytes: usize,
}

impl PeekFirstLayer {
    /// A layer that holds a head for at most `time`, and until more than so many `bytes` have come.
    ///
    /// No time: nothing is held. What the client sees later for it is only the head: the first event goes out as soon as it
    /// is there. Error events are small: with 16 KiB, a first event that is larger is none.
    #[must_use]
    pub fn new(time: Duration, bytes: usize) -> Self {
        Self { dialect: None, time, bytes }
    }

    /// Takes every stream for one of `dialect`. Without this it is found out as by
    /// [`SsePassthroughLayer::dialect`](crate::SsePassthroughLayer::dialect).
    #[must_use]
    pub fn dialect(self, dialect: Dialect) -> Self {
        Self { dialect: Some(dialect), ..self }
    }
}

impl<S> Layer<S> for PeekFirstLayer {
    type Service = PeekFirst<S>;

    fn layer(&self, inner: S) -> PeekFirst<S> {
        PeekFirst { inner, layer: *self }
    }
}

/// A service whose event streams have begun well when their head is there.
#[derive(Clone, Debug)]
pub struct PeekFirst<S> {
    inner: S,
    layer: PeekFirstLayer,
}

impl<S, ReqBody, B> Service<Request<ReqBody>> for PeekFirst<S>
where
    S: Service<Request<ReqBody>, Response = Response<B>>,
    B: Body<Data = Bytes> + Unpin,
{
    type Response = Response<PeekFirstBody<B>>;
    type Error = S::Error;
    type Future = PeekFirstFuture<S::Future, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let dialect = dialect(self.layer.dialect, &request).filter(|_| !self.layer.time.is_zero());
        let peek =
            Peek { dialect, time: self.layer.time, bytes: self.layer.bytes, asked: request.method().into() };
        PeekFirstFuture::new(self.inner.call(request), peek)
    }
}

/// What an answer is held by.
#[derive(Clone, Copy, Debug)]
struct Peek {
    dialect: Option<Dialect>,
    time: Duration,
    bytes: usize,
    asked: Asked,
}
