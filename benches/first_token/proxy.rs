//! The proxy on a thread of its own, so that its work can be told from that of the others.

use std::{
    convert::Infallible,
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use axum::{Router, body::Body, routing::Route, serve::ListenerExt};
use dashpot::{
    cache::{CacheLayer, FlatIndex, MemoryStore, RequestBody, Similar},
    core::Embedding,
    sse::{HeartbeatLayer, SsePassthroughLayer},
};
use http::{Request, Response};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::{net::TcpListener, sync::oneshot};
use tower::{Layer, Service, ServiceBuilder, layer::layer_fn, service_fn};

/// What is done with the streams.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    handle: fn(Router) -> Router,
}

pub(crate) const ROWS: &[Row] = &[
    Row { name: "nothing", handle: |forward| forward },
    Row { name: "SsePassthrough", handle: |forward| forward.layer(SsePassthroughLayer::new()) },
    Row {
        name: "SsePassthrough, Heartbeat",
        handle: |forward| {
            let heartbeat = HeartbeatLayer::new(Duration::from_secs(15));
            forward.layer(SsePassthroughLayer::new()).layer(heartbeat)
        },
    },
    Row { name: "Cache", handle: |forward| forward.layer(cached(cache())) },
    Row {
        name: "Cache, similar questions too",
        handle: |forward| {
            let similar = Similar::new(service_fn(embed), "a hash", FlatIndex::new(10_000));
            forward.layer(cached(cache().similar(similar)))
        },
    },
    #[cfg(feature = "peers")]
    Row {
        name: "eventsource-stream, axum Sse",
        handle: |forward| forward.layer(tower::util::MapResponseLayer::new(peers::parse_and_write)),
    },
];

fn cache() -> CacheLayer<MemoryStore> {
    CacheLayer::shared_by_all(MemoryStore::new(1 << 30))
}

/// As axum wants its layers.
fn cached(
    cache: CacheLayer<MemoryStore>,
) -> impl Layer<
    Route,
    Service: Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
                 + Clone
                 + Send
                 + Sync,
> + Clone
+ Send
+ Sync {
    layer_fn(move |route: Route| {
        let as_inner = |request: Request<RequestBody<Body>>| request.map(Body::new);
        let route = ServiceBuilder::new().layer(cache.clone()).map_request(as_inner).service(route);
        ServiceBuilder::new().map_response(|answer: Response<_>| answer.map(Body::new)).service(route)
    })
}

/// An embedder that knows all questions already: what it takes to embed one has a bench of its own.
async fn embed(texts: Vec<Arc<str>>) -> Result<Vec<Option<Embedding>>, Infallible> {
    let direction = |text: &Arc<str>| {
        let mut hash = DefaultHasher::new();
        text.hash(&mut hash);
        let mut state = hash.finish() | 1;
        let numbers: [f32; 384] = std::array::from_fn(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1 << 24) as f32 - 0.5
        });
        Embedding::new(&numbers)
    };
    Ok(texts.iter().map(direction).collect())
}

/// A running proxy, until it is dropped.
pub(crate) struct Proxy {
    url: String,
    /// The number of its thread.
    thread: String,
    _stop: oneshot::Sender<()>,
}

impl Proxy {
    pub(crate) fn start(row: &Row, upstream: String) -> Self {
        let (started, starts) = mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let handle = row.handle;
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("the system gives a runtime what it needs").block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
                let url = format!("http://{}", listener.local_addr().expect("it is bound"));
                let listener = listener.tap_io(|stream| stream.set_nodelay(true).expect("it is open"));
                let thread = fs::read_link("/proc/thread-self").expect("this is Linux");
                started.send((url, format!("/proc/{}", thread.display()))).expect("the bench waits for it");
                let proxy = axum::serve(listener, handle(forward(upstream)));
                tokio::select! {
                    served = async { proxy.await } => served.expect("it serves"),
                    // An error means that the sender is gone, which is the sign.
                    _ = stopped => {}
                }
            });
        });
        let (url, thread) = starts.recv().expect("the proxy starts");
        Self { url, thread, _stop: stop }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// How long its thread was at work.
    pub(crate) fn cpu(&self) -> Duration {
        let said = fs::read_to_string(format!("{}/schedstat", self.thread)).expect("the kernel counts it");
        let nanos = said.split(' ').next().and_then(|nanos| nanos.parse().ok());
        Duration::from_nanos(nanos.expect("a number of nanoseconds"))
    }
}

/// Hands the requests on as they are.
fn forward(upstream: String) -> Router {
    let client = Client::builder(TokioExecutor::new()).build_http();
    Router::new().fallback(async move |mut request: Request<Body>| {
        let path = request.uri().path();
        *request.uri_mut() = format!("{upstream}{path}").parse().expect("it is well-formed");
        let answer = client.request(request).await.expect("there is an answer");
        answer.map(Body::new)
    })
}

#[cfg(feature = "peers")]
mod peers {
    use axum::response::{IntoResponse, Sse, sse::Event};
    use eventsource_stream::Eventsource;
    use futures_util::StreamExt;
    use http::Response;

    use super::Body;

    /// What a proxy does that reads events and writes them again.
    pub(super) fn parse_and_write(response: Response<Body>) -> Response<Body> {
        let events = response.into_body().into_data_stream().eventsource();
        Sse::new(events.map(|event| event.map(|event| Event::default().data(event.data)))).into_response()
    }
}
