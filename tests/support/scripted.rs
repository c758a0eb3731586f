//! An upstream whose event streams say what the test says, when the test says it.

use std::{convert::Infallible, time::Duration};

use axum::{Router, body::Body, extract::Request};
use bytes::Bytes;
use http::{Response, header, request::Parts};
use tokio::{net::TcpListener, sync::mpsc, task::JoinHandle, time::Instant, time::timeout};
use tokio_stream::{StreamExt, wrappers::UnboundedReceiverStream};

/// Longer than anything takes here.
const LONG: Duration = Duration::from_secs(10);

/// A server that answers every request with an event stream, until it is dropped.
#[derive(Debug)]
pub(crate) struct Scripted {
    url: String,
    streams: mpsc::UnboundedReceiver<Stream>,
    server: JoinHandle<()>,
}

impl Scripted {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let (asked, streams) = mpsc::unbounded_channel();
        let app = Router::new().fallback(async move |request: Request| {
            let (events, said) = mpsc::unbounded_channel();
            // An error means that the test is over.
            let _ = asked.send(Stream { request: request.into_parts().0, events });
            let body = Body::from_stream(UnboundedReceiverStream::new(said).map(Ok::<_, Infallible>));
            let head = Response::builder().header(header::CONTENT_TYPE, "text/event-stream");
            head.body(body).expect("it is well-formed")
        });
        let server = tokio::spawn(async move { axum::serve(listener, app).await.expect("it serves") });
        Self { url, streams, server }
    }

    /// Where it listens, as in `http://127.0.0.1:41234`.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The next stream that is asked for.
    pub(crate) async fn stream(&mut self) -> Stream {
        let stream = timeout(LONG, self.streams.recv()).await.expect("the request arrives");
        stream.expect("the server runs")
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// One stream. It ends in order when this is dropped.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) request: Parts,
    events: mpsc::UnboundedSender<Bytes>,
}

impl Stream {
    /// Says something, and when that was.
    pub(crate) fn say(&self, text: impl Into<Bytes>) -> Instant {
        let now = Instant::now();
        // An error means that the client has left, which is told by what the client missed.
        let _ = self.events.send(text.into());
        now
    }

    /// Waits until the client has left, and says when that was.
    pub(crate) async fn left(&self) -> Instant {
        timeout(LONG, self.events.closed()).await.expect("the client's leaving is noticed");
        Instant::now()
    }
}
