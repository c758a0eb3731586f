//! Streams that go on when their client is lost, and are read on by the client that comes back.

mod blocks;
mod body;
mod exchange;
mod future;
mod handle;
mod id;
mod memory;
mod opening;
mod owner;
mod store;
mod tape;

use std::task::{Context, Poll};

use bytes::Bytes;
use dashpot_body::Asked;
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

pub use self::{
    body::{BrokenOff, Overtaken, ResumeBody},
    future::ResumeFuture,
    handle::{ResumeHandle, ResumeStats},
    memory::{InvalidMemory, Memory, MemoryFollower, MemoryRecorder, MemoryStore},
    store::{Abandoned, End, Follower, Found, Next, Recorder, Store, StreamKey},
};
use self::{exchange::Exchange, handle::Counters, id::EventId, owner::Owner};

/// Makes services whose event streams outlive their connection: a client that was cut off in the middle comes back with
/// `Last-Event-ID`, as browsers do by themselves, and reads on behind the last event that it has seen, none lost and none
/// twice.
///
/// **Ids.** Each event gets a line `id: dp-STREAM:NUMBER`, with 128 random bits for the stream and its events counted from 1.
/// All other bytes stay as they are; events go out when they are whole. A stream whose first event has an `id` of its own,
/// or that is compressed, or for which there is no room, passes as it is: to resume it is its server's business. But there
/// should be only one such layer on the way, in this process or any other: ids of another one look like this one's.
///
/// SDKs that take a blank line for an event once they have seen an id, as OpenAI's and Anthropic's for Python, do not get
/// along with ids in front of an upstream that writes comments with a blank line behind them. Heartbeats leave theirs out.
///
/// **Coming back.** A request with such an id as `Last-Event-ID` is answered here, whatever its method and body are, and
/// not called inner: with what came after, and then live. Several may follow one stream at once, as a client that comes back
/// before it was missed, or a second tab. 204 says that the stream is over and the client has all of it; a browser then
/// comes back no more. To every other stream that cannot be read on the answer is 410 with a
/// [`Rejection`](dashpot_core::Rejection): one that broke off, that is kept no more, that never was, or that is another's,
/// and which of the last three is not told. Not even a POST that says its question again is passed on then: to answer it
/// anew would say twice what the client has. Any other `Last-Event-ID` passes untouched.
///
/// **Whose.** A stream can be read by the same [`Tenant`](dashpot_core::Tenant) only, from the request's extensions; if there
/// is none, with the very same `Authorization`, `X-Api-Key`, `Api-Key` and `X-Goog-Api-Key`; and for the same path and query
/// only. Where callers are known by none of these, as by a cookie, put a `Tenant` there, or the id alone is the key.
///
/// **While nobody follows** the upstream is read on, until the store is full, and then waits: nothing of what a client may
/// come back for is lost. If nobody comes in time, it is cancelled, as without this layer it is at once. So it is at once
/// before the first event, when no id has been given. While somebody follows, the upstream is read as fast as the fastest
/// follower reads, give or take 16 KiB, so a connection that is dead and not yet missed does not hold up the one that took its
/// place. A slower one that falls behind what is kept ends with [`Overtaken`].
///
/// **Tasks.** From its first event on a stream is read by a task of its own, with the inner body, which ends with the
/// stream, or when nobody came back; and if the layer and all its services are gone, with the last follower. Inner guards
/// are held so long. If the inner body panics, or fails, so do the bodies of all who follow.
///
/// Inside of [`Heartbeat`](crate::Heartbeat), whose comments are those of a connection; outside of everything that
/// watches a stream or guards an upstream, and of whatever reads the request's body. A header for browsers, as of CORS, is
/// to be put in further out: the answer to who comes back has none of the upstream's.
///
/// ```
/// use std::convert::Infallible;
/// use bytes::Bytes;
/// use dashpot_sse::resume::{Memory, MemoryStore, ResumeLayer};
/// use http::{Request, Response, header};
/// use http_body_util::{BodyExt, Full};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let layer = ResumeLayer::new(MemoryStore::try_new(Memory::default()).unwrap());
/// let handle = layer.handle();
/// let stack = ServiceBuilder::new().layer(layer).service(service_fn(async |_: Request<()>| {
///     let answer = Response::builder().header(header::CONTENT_TYPE, "text/event-stream");
///     Ok::<_, Infallible>(answer.body(Full::<Bytes>::from("data: one\n\ndata: two\n\n")).unwrap())
/// }));
/// let ask = |id: &str| Request::get("/").header("last-event-id", id).body(()).unwrap();
///
/// let mut cut = stack.clone().oneshot(ask("")).await.unwrap().into_body();
/// let first = cut.frame().await.unwrap().unwrap().into_data().unwrap();
/// let (id, event) = str::from_utf8(&first).unwrap().split_once('\n').unwrap();
/// assert_eq!(event, "data: one\n\n");
/// drop(cut);
///
/// let back = stack.oneshot(ask(id.strip_prefix("id: ").unwrap())).await.unwrap().into_body();
/// let rest = back.collect().await.unwrap().to_bytes();
/// assert!(rest.ends_with(b":2\ndata: two\n\n"));
/// assert_eq!(handle.stats().resumed, 1);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ResumeLayer<St = MemoryStore> {
    store: St,
    max_event: usize,
    counters: Counters,
}

impl ResumeLayer {
    /// A layer that keeps streams in `store`.
    #[must_use]
    pub fn new(store: MemoryStore) -> Self {
        let max_event = store.max_event();
        Self::with_store(store, max_event)
    }
}

impl<St: Store> ResumeLayer<St> {
    /// The same with a store of another kind. A stream with an event of more than `max_event` bytes goes on, but from there
    /// on it cannot be resumed.
    #[must_use]
    pub fn with_store(store: St, max_event: usize) -> Self {
        Self { store, max_event, counters: Counters::default() }
    }

    /// Tells what became of the streams.
    #[must_use]
    pub fn handle(&self) -> ResumeHandle {
        ResumeHandle::new(self.counters.clone())
    }
}

impl<S, St: Clone> Layer<S> for ResumeLayer<St> {
    type Service = Resume<S, St>;

    fn layer(&self, inner: S) -> Resume<S, St> {
        Resume { inner, layer: self.clone() }
    }
}

/// A service whose event streams can be resumed.
///
/// # Panics
///
/// The bodies of streams start a task with their first event, and panic outside a tokio runtime.
#[derive(Clone, Debug)]
pub struct Resume<S, St = MemoryStore> {
    inner: S,
    layer: ResumeLayer<St>,
}

impl<S, St, ReqBody, B> Service<Request<ReqBody>> for Resume<S, St>
where
    S: Service<Request<ReqBody>, Response = Response<B>>,
    St: Store,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<ResumeBody<B, St>>;
    type Error = S::Error;
    type Future = ResumeFuture<S::Future, St>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let asked = Asked::from(request.method());
        let owner = if asked == Asked::Other { Owner::of(&request) } else { None };
        let layer = self.layer.clone();
        if let Some(last) = EventId::last_seen(&request)
            && asked == Asked::Other
        {
            return ResumeFuture::finding(layer.find(owner, last), layer);
        }
        ResumeFuture::calling(self.inner.call(request), owner.map(|owner| Exchange { owner, layer }))
    }
}

impl<St: Store> ResumeLayer<St> {
    /// `None` for who is nobody.
    fn find(&self, owner: Option<Owner>, last: EventId) -> Option<St::Find> {
        let owner = owner?.to_key();
        Some(self.store.find(StreamKey { stream: last.stream, owner }, last.number))
    }
}

/// Any error: that of the inner body, [`BrokenOff`] or [`Overtaken`].
type BoxError = Box<dyn std::error::Error + Send + Sync>;
