//! Clients that read slowly or not at all, and an upstream that says as much as is taken from it.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{Router, body::Body};
use bytes::Bytes;
use futures_util::{FutureExt, stream};
use http::{Request, header};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpSocket, TcpStream},
    task::JoinHandle,
    time::sleep,
};

/// Small and fixed, so that it is not the kernel that takes megabytes for each stream here.
const SOCKET_BUFFER: u32 = 16 << 10;

/// What an HTTP/2 client lets come of one stream before it has read it: the protocol's default.
const WINDOW: u32 = 65_535;

/// A connection of HTTP/2 carries 200 at once by hyper's default.
const STREAMS_PER_CONNECTION: usize = 200;

const ASK: &str = r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"Hello"}]}"#;

/// The gateway takes so many, and one pool of connections is quickly told.
pub(crate) const VARIABLES: [(&str, &str); 5] = [
    ("DASHPOT_GATEWAY_UPSTREAM__HTTP2_CONNECTIONS", "1"),
    ("DASHPOT_GATEWAY_MAX_CONNECTIONS", "20000"),
    ("DASHPOT_GATEWAY_LIMIT__MAX", "20000"),
    ("DASHPOT_GATEWAY_LIMIT__MIN", "20000"),
    ("DASHPOT_GATEWAY_LIMIT__INITIAL", "20000"),
];

/// An upstream whose streams have no end, and are made as they are taken.
#[derive(Debug)]
pub(crate) struct Fountain {
    url: String,
    taken: Arc<AtomicU64>,
    server: JoinHandle<()>,
}

impl Fountain {
    pub(crate) fn start() -> Self {
        let socket = TcpSocket::new_v4().expect("there are sockets");
        socket.set_send_buffer_size(SOCKET_BUFFER).expect("it can be set");
        socket.bind("127.0.0.1:0".parse().expect("an address")).expect("there is a free port");
        let listener = socket.listen(4096).expect("it is bound");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let taken = Arc::new(AtomicU64::new(0));
        let count = taken.clone();
        // One KiB.
        let event = format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{:971}\"}}}}]}}\n\n", "a");
        let event = Bytes::from(event);
        let app = Router::new().fallback(async move || {
            let events = stream::repeat_with(move || {
                count.fetch_add(event.len() as u64, Relaxed);
                Ok::<_, Infallible>(event.clone())
            });
            ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(events))
        });
        let server = tokio::spawn(async move { axum::serve(listener, app).await.expect("it serves") });
        Self { url, taken, server }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Bytes that were taken from all its streams.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Relaxed)
    }

    /// Waits until nothing is taken any more, and says how much was.
    ///
    /// # Panics
    ///
    /// If something is taken for longer than a minute.
    pub(crate) async fn is_held_back(&self) -> u64 {
        let mut before = self.taken();
        for _ in 0..60 {
            sleep(Duration::from_secs(1)).await;
            let now = self.taken();
            if now == before {
                return now;
            }
            before = now;
        }
        panic!("nobody reads, and more and more is taken: {before} bytes");
    }
}

impl Drop for Fountain {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Streams whose clients read when they are told to.
#[derive(Debug, Default)]
pub(crate) struct Readers {
    http1: Vec<TcpStream>,
    http2: Vec<Incoming>,
    connection: Option<http2::SendRequest<Full<Bytes>>>,
}

impl Readers {
    /// One more stream from this address.
    pub(crate) async fn open(&mut self, address: &str, is_http2: bool) {
        let request = Request::post(format!("http://{address}/v1/chat/completions"))
            .header(header::CONTENT_TYPE, "application/json");
        if is_http2 {
            if self.http2.len().is_multiple_of(STREAMS_PER_CONNECTION) {
                self.connection = Some(connect_http2(address).await);
            }
            let connection = self.connection.as_mut().expect("it was just made");
            connection.ready().await.expect("the connection is open");
            let request = request.body(ASK.into()).expect("it is well-formed");
            let answer = connection.send_request(request).await.expect("there is an answer");
            self.http2.push(answer.into_body());
        } else {
            let mut stream = connect(address).await;
            let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json";
            let request = format!("{head}\r\ncontent-length: {}\r\n\r\n{ASK}", ASK.len());
            stream.write_all(request.as_bytes()).await.expect("the gateway reads");
            stream.readable().await.expect("there is an answer");
            self.http1.push(stream);
        }
    }

    /// Those of these numbers read what is there, over HTTP/1.1 up to a KiB of it and over HTTP/2 a frame, which is one
    /// event as a rule; how much that was in all.
    pub(crate) fn read(&mut self, reads: impl Fn(usize) -> bool) -> u64 {
        let mut read = 0;
        for (_, stream) in self.http1.iter().enumerate().filter(|(number, _)| reads(*number)) {
            read += stream.try_read(&mut [0; 1024]).unwrap_or(0) as u64;
        }
        for (_, body) in self.http2.iter_mut().enumerate().filter(|(number, _)| reads(*number)) {
            let frame = body.frame().now_or_never().flatten().and_then(Result::ok);
            read += frame.and_then(|frame| Some(frame.data_ref()?.len() as u64)).unwrap_or(0);
        }
        read
    }
}

async fn connect(address: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("there are sockets");
    socket.set_recv_buffer_size(SOCKET_BUFFER).expect("it can be set");
    socket.connect(address.parse().expect("an address")).await.expect("the gateway listens")
}

async fn connect_http2(address: &str) -> http2::SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(address).await.expect("the gateway listens");
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW * STREAMS_PER_CONNECTION as u32)
        .handshake(TokioIo::new(stream))
        .await
        .expect("it speaks HTTP/2");
    tokio::spawn(connection);
    sender
}
