//! What a real server does with a stream whose client is gone, or does not read.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use dashpot_sse::{HeartbeatHandle, HeartbeatLayer};
use dashpot_testkit::body::{BodyProbe, Scripted};
use http::{Request, Response, header};
use http_body_util::Empty;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex},
    time::{Instant, sleep},
};
use tower::{Layer, service_fn};

const SECOND: Duration = Duration::from_secs(1);

/// A connection whose client can vanish: nothing comes from it, and what is sent to it fails to arrive.
struct Connection {
    inner: DuplexStream,
    gone: Arc<AtomicBool>,
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.gone.load(Relaxed) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

struct Served {
    client: DuplexStream,
    gone: Arc<AtomicBool>,
    body: BodyProbe,
    heartbeats: HeartbeatHandle,
}

/// A connection to a server that answers one request with `body`.
fn serve(body: Scripted, every: Duration, http2: bool) -> Served {
    let (client, inner) = duplex(1 << 16);
    let (gone, probe, layer) = (Arc::new(AtomicBool::new(false)), body.probe(), HeartbeatLayer::new(every));
    let heartbeats = layer.handle();
    let body = Arc::new(std::sync::Mutex::new(Some(body)));
    let service =
        TowerToHyperService::new(layer.layer(service_fn(move |_: Request<hyper::body::Incoming>| {
            let body = body.lock().unwrap().take().unwrap();
            let answer = Response::builder().header(header::CONTENT_TYPE, "text/event-stream").body(body);
            std::future::ready(Ok::<_, Infallible>(answer.unwrap()))
        })));
    let io = TokioIo::new(Connection { inner, gone: gone.clone() });
    tokio::spawn(async move {
        // Errors are what these tests are about.
        let _ = if http2 {
            hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await
        } else {
            hyper::server::conn::http1::Builder::new().serve_connection(io, service).await
        };
    });
    Served { client, gone, body: probe, heartbeats }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_gone_without_a_word_is_found_out_by_a_heartbeat() {
    for (every, found_out) in [(15 * SECOND, Some(15 * SECOND)), (Duration::ZERO, None)] {
        let start = Instant::now();
        let Served { mut client, gone, body, .. } =
            serve(Scripted::new().data("data: a\n\n").forever(), every, false);
        client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut read = Vec::new();
        while !read.ends_with(b"data: a\n\n\r\n") {
            client.read_buf(&mut read).await.unwrap();
        }
        sleep(3 * SECOND).await;
        gone.store(true, Relaxed);
        sleep(1000 * SECOND).await;
        assert_eq!(body.dropped_at().map(|at| at - start), found_out);
    }
}

/// So a body cannot bound how slowly a client reads: it does not run.
#[tokio::test(start_paused = true)]
async fn a_body_is_not_polled_while_its_client_does_not_read() {
    for http2 in [false, true] {
        // More than hyper and the connection hold.
        let frames = (0..1000).fold(Scripted::new(), |body, _| body.data(vec![b'\n'; 1000]));
        let mut served = serve(frames.forever(), SECOND, http2);
        let mut unread = None;
        if http2 {
            let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
            builder.initial_stream_window_size(1 << 16);
            let (mut sender, connection) = builder.handshake(TokioIo::new(served.client)).await.unwrap();
            tokio::spawn(connection);
            let request = Request::get("http://x/").body(Empty::<Bytes>::new()).unwrap();
            unread = Some(sender.send_request(request).await.unwrap());
        } else {
            served.client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        }
        sleep(SECOND).await;
        let polls = served.body.polls();
        sleep(1000 * SECOND).await;
        assert!(polls > 0 && polls < 1000, "HTTP/2 {http2}: {polls}");
        assert_eq!((served.body.polls(), served.heartbeats.sent()), (polls, 0), "HTTP/2 {http2}");
        drop(unread);
    }
}
