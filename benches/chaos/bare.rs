//! What one would write without any of this: a proxy that hands on what comes.

use std::{sync::mpsc, thread};

use axum::{Router, body::Body, serve::ListenerExt};
use http::{Request, Response, StatusCode};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::{net::TcpListener, sync::oneshot};

/// A running proxy, until it is dropped.
pub(crate) struct Bare {
    url: String,
    _stop: oneshot::Sender<()>,
}

impl Bare {
    pub(crate) fn start(upstream: &str) -> Self {
        let app = forward(upstream.to_owned());
        let (started, starts) = mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().expect("the system gives a runtime what it needs");
            runtime.block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
                let url = format!("http://{}", listener.local_addr().expect("it is bound"));
                // A connection may be gone already when it is taken.
                let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
                started.send(url).expect("the bench waits for it");
                let proxy = axum::serve(listener, app);
                tokio::select! {
                    served = async { proxy.await } => served.expect("it serves"),
                    // An error means that the sender is gone, which is the sign.
                    _ = stopped => {}
                }
            });
        });
        Self { url: starts.recv().expect("the proxy starts"), _stop: stop }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

fn forward(upstream: String) -> Router {
    let client = Client::builder(TokioExecutor::new()).build_http();
    Router::new().fallback(async move |mut request: Request<Body>| {
        let path = request.uri().path();
        *request.uri_mut() = format!("{upstream}{path}").parse().expect("it is well-formed");
        match client.request(request).await {
            Ok(answer) => answer.map(Body::new),
            Err(_) => {
                let mut answer = Response::new(Body::empty());
                *answer.status_mut() = StatusCode::BAD_GATEWAY;
                answer
            }
        }
    })
}
