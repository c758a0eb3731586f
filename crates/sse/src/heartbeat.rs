mod body;
mod future;
mod mark;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

pub use self::{body::HeartbeatBody, future::HeartbeatFuture};

/// Makes services whose event streams have a comment, `: keep-alive`, put in whenever nothing has come for a while.
///
/// It tells proxies and clients that give up on silence that the stream lives. And it finds out whether the client does:
/// of one that is gone without a word a server hears only when it writes.
///
/// Between two events only, never inside one. None once the [`BodyReport`](dashpot_core::BodyReport) of an
/// [`SsePassthrough`](crate::SsePassthrough) further in says how the stream ended (without that layer, they go on until
/// the body ends); none where the length is stated; none while the client does not read, and one for all that time. Readers by
/// the standard pass comments over. All other bytes stay as they are, but for a byte order mark behind a comment: there
/// it would be none, and cost the first event, so it is taken out.
///
/// Outermost: to layers around it a comment is as good as any byte, and a breaker, for one, would no longer see that the
/// upstream is silent.
///
/// ```
/// use std::time::Duration;
/// use dashpot_sse::{HeartbeatLayer, SsePassthroughLayer};
/// use tower::ServiceBuilder;
///
/// let heartbeats = HeartbeatLayer::new(Duration::from_secs(15));
/// let handle = heartbeats.handle();
/// let stack = ServiceBuilder::new().layer(heartbeats).layer(SsePassthroughLayer::new());
/// # let _ = stack.service(tower::service_fn(async |_: http::Request<()>| {
/// #     Ok::<_, std::convert::Infallible>(http::Response::new(http_body_util::Full::<bytes::Bytes>::default()))
/// # }));
/// assert_eq!(handle.sent(), 0);
/// ```
#[derive(Clone, Debug)]
pub struct HeartbeatLayer {
    every: Duration,
    handle: HeartbeatHandle,
}

impl HeartbeatLayer {
    /// A layer that puts one in whenever nothing has come for so long. Zero: never.
    ///
    /// Shorter than the shortest patience on the way; that of proxies is 60 seconds as a rule, of some 30.
    #[must_use]
    pub fn new(every: Duration) -> Self {
        Self { every, handle: HeartbeatHandle::default() }
    }

    /// Tells how many it has put in.
    #[must_use]
    pub fn handle(&self) -> HeartbeatHandle {
        self.handle.clone()
    }
}

impl<S> Layer<S> for HeartbeatLayer {
    type Service = Heartbeat<S>;

    fn layer(&self, inner: S) -> Heartbeat<S> {
        Heartbeat { inner, layer: self.clone() }
    }
}

/// Tells how many heartbeats the services of one layer have put in. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct HeartbeatHandle(Arc<AtomicU64>);

// Relaxed: a count for people; nothing is published through it.
impl HeartbeatHandle {
    /// How many so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.0.load(Relaxed)
    }

    fn count(&self) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// A service whose event streams do not fall silent.
#[derive(Clone, Debug)]
pub struct Heartbeat<S> {
    inner: S,
    layer: HeartbeatLayer,
}

impl<S, ReqBody, B> Service<Request<ReqBody>> for Heartbeat<S>
where
    S: Service<Request<ReqBody>, Response = Response<B>>,
    B: Body<Data = Bytes>,
{
    type Response = Response<HeartbeatBody<B>>;
    type Error = S::Error;
    type Future = HeartbeatFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let asked = request.method().into();
        HeartbeatFuture::new(self.inner.call(request), self.layer.clone(), asked)
    }
}
