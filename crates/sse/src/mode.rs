mod answer;
mod body;
mod future;
mod handle;
mod request;
mod wish;

use std::{
    mem,
    task::{Context, Poll},
};

use bytes::Bytes;
use dashpot_core::Arrival;
use dashpot_wire::dialect::Dialect;
use http::{Method, Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

pub use self::{
    body::ModeBody,
    future::ModeFuture,
    handle::{ModeHandle, ModeStats},
};
use self::{handle::Counters, request::Reading};
use crate::{head, service::dialect, watch::now};

/// The two modes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Event by event, while the model writes: for who waits and reads.
    Stream,
    /// In one piece, when the model is done: for who needs all of it.
    Whole,
}

/// Makes services that answer each caller in the mode it asks for, whichever the upstream answers in: streams are put
/// together for those who want the whole, and whole answers are said as streams to those who want one.
///
/// So a caller that reads no streams has the clocks of a stream working for it (the time to the first token, and between
/// two), and a page that streams works in front of a model server that cannot. For OpenAI chat completions, OpenAI
/// responses and Anthropic messages.
///
/// **What the caller wants** is said, in this order, by `stream` in the request's body; `Prefer: respond-async` (RFC 7240:
/// nobody waits, so the whole); `Accept`, if it prefers `text/event-stream` to `application/json` or the other way round;
/// a [`Priority`](dashpot_core::Priority) of background in the extensions (the whole). The body comes first, since
/// libraries send `Accept: application/json` with everything, and read what they asked for in the body. To those who say
/// nothing goes what was [set](Self::unless_said), without that the whole, as of the APIs themselves.
///
/// **The upstream** is asked in that mode, or always in one that was [set](Self::upstream): the request's body is changed in
/// `stream` and `stream_options` and nowhere else. Then its answer decides: a stream to who wants the whole is collected, a
/// whole answer to who wants a stream expanded, whatever was asked for. Anything else passes untouched: other statuses
/// than 200, other content types, compressed answers, other paths; and requests that only one mode can answer
/// ([`RequestMode::read`](dashpot_wire::modes::RequestMode::read) lists them).
///
/// A stream that ends with an error, or without its end, is an answer with a status and the dialect's words: the error's own
/// (429, 503, to Anthropic 529, 504 where a deadline wrote it, 400, or 502), and 502 where there is none. The outcome is in the
/// [`BodyReport`](dashpot_core::BodyReport) too; an answer that is too long carries a [`Rejection`](dashpot_core::Rejection),
/// since it is not the upstream's failure. An expanded answer comes in one piece, at its end. A collected one waits up to 10 ms for the end of a stream that
/// has said that it is complete, so that its connection can be used again.
///
/// Outside of whatever watches the stream, deadlines first of all: it waits as long as they let it. Inside of whatever reads
/// the request's body, so that nothing has to wait for that here; no time is kept for it.
///
/// ```
/// use std::convert::Infallible;
/// use bytes::Bytes;
/// use dashpot_sse::{Mode, ModeLayer};
/// use http::{Request, Response, header};
/// use http_body_util::{BodyExt, Full};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let upstream = service_fn(async |request: Request<Full<Bytes>>| {
///     let asked = request.into_body().collect().await.unwrap().to_bytes();
///     assert_eq!(asked, r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#);
///     let events = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}]}\n\ndata: [DONE]\n\n";
///     let answer = Response::builder().header(header::CONTENT_TYPE, "text/event-stream");
///     Ok::<_, Infallible>(answer.body(Full::<Bytes>::from(events)).unwrap())
/// });
/// let stack = ServiceBuilder::new().layer(ModeLayer::new(8 << 20).upstream(Mode::Stream)).service(upstream);
///
/// let request = Request::post("/v1/chat/completions").body(Full::from(r#"{"model":"m"}"#)).unwrap();
/// let answer = stack.oneshot(request).await.unwrap();
/// assert_eq!(answer.headers()["content-type"], "application/json");
/// let body = answer.into_body().collect().await.unwrap().to_bytes();
/// assert_eq!(body, r#"{"choices":[{"index":0,"message":{"content":"Hi"}}],"object":"chat.completion"}"#);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ModeLayer {
    rules: Rules,
    counters: Counters,
}

#[derive(Clone, Copy, Debug)]
struct Rules {
    max_bytes: usize,
    dialect: Option<Dialect>,
    upstream: Option<Mode>,
    unless_said: Mode,
}

impl ModeLayer {
    /// A layer that holds at most `max_bytes` of a request's body, and at most as much of an answer that is in the wrong
    /// mode: for what is longer it answers 413 or 502. A stream that is made of an answer may be eight times as long. A
    /// text of so many bytes costs about as much memory; see [`Collect::new`](dashpot_wire::modes::Collect::new) for the
    /// worst.
    #[must_use]
    pub fn new(max_bytes: usize) -> Self {
        let rules = Rules { max_bytes, dialect: None, upstream: None, unless_said: Mode::Whole };
        Self { rules, counters: Counters::default() }
    }

    /// Takes every request for one of `dialect`. Without this it is found out as by
    /// [`SsePassthroughLayer::dialect`](crate::SsePassthroughLayer::dialect).
    #[must_use]
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.rules.dialect = Some(dialect);
        self
    }

    /// The mode in which the upstream is asked. Default: the one that the caller wants.
    #[must_use]
    pub fn upstream(mut self, mode: Mode) -> Self {
        self.rules.upstream = Some(mode);
        self
    }

    /// The mode for callers who say nothing of it. Default: [`Mode::Whole`], as the APIs have it.
    #[must_use]
    pub fn unless_said(mut self, mode: Mode) -> Self {
        self.rules.unless_said = mode;
        self
    }

    /// Tells how many answers were changed.
    #[must_use]
    pub fn handle(&self) -> ModeHandle {
        ModeHandle::new(self.counters.clone())
    }
}

impl<S> Layer<S> for ModeLayer {
    type Service = ModeService<S>;

    fn layer(&self, inner: S) -> ModeService<S> {
        ModeService { inner, layer: self.clone() }
    }
}

/// A service that answers in the mode that is asked for.
///
/// Its request bodies must be made of [`Bytes`] as easily as axum's `Body` and `http_body_util::Full`; in front of others
/// stands a `map_request`.
#[derive(Clone, Debug)]
pub struct ModeService<S> {
    inner: S,
    layer: ModeLayer,
}

impl<S, ReqBody, B> Service<Request<ReqBody>> for ModeService<S>
where
    S: Service<Request<ReqBody>, Response = Response<B>> + Clone,
    ReqBody: Body + From<Bytes> + Unpin,
    B: Body<Data = Bytes> + Unpin,
{
    type Response = Response<ModeBody<B>>;
    type Error = S::Error;
    type Future = ModeFuture<S, ReqBody, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let dialect = dialect(self.layer.rules.dialect, &request);
        let has_modes = |dialect: &Dialect| {
            matches!(dialect, Dialect::OpenAiChat | Dialect::OpenAiResponses | Dialect::AnthropicMessages)
                && request.method() == Method::POST
                && !head::is_encoded(request.headers())
        };
        let Some(dialect) = dialect.filter(has_modes) else {
            return ModeFuture::passing(self.inner.call(request));
        };
        Arrival::of(&mut request, now());
        // The instance that is ready waits with the body; the clone has its own readiness to find.
        let clone = self.inner.clone();
        let ready = mem::replace(&mut self.inner, clone);
        ModeFuture::reading(Reading::new(ready, request, dialect, self.layer.clone()))
    }
}
