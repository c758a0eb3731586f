//! Accepts connections, and ends them in order.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use dashpot::body::{Guarded, ReleaseAt};
use http::Request;
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    signal::unix::{Signal, SignalKind, signal},
    sync::Semaphore,
};
use tower::ServiceExt;

use crate::{activity::Activity, app::App};

/// After a failed accept, as when file descriptors run out, a pause instead of a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A peer on HTTP/2 that does not answer a ping for so long is gone.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// How many connections the kernel may hold for us: when thousands of clients come at once, one that finds no place
/// tries again only after a second.
const BACKLOG: u32 = 4096;

/// What hyper may keep of one connection of HTTP/1.1 in each direction; by default it is 400 KiB. A client that does not
/// read its stream costs so much, and a request whose head is longer is refused.
pub(crate) const HTTP1_BUFFER: usize = 64 << 10;

/// The kernel's part of that, each way; it takes twice as much. By itself it would keep up to 4 MiB for one client that
/// does not read: whole answers, for which the upstream need not have worked.
pub(crate) const SOCKET_BUFFER: u32 = 64 << 10;

/// Listens on `address`.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A gateway that is started again must not wait for the connections of the last one to be forgotten.
    socket.set_reuseaddr(true)?;
    socket.set_send_buffer_size(SOCKET_BUFFER)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until a signal comes, then lets what is under way end, for as long as the configuration allows.
pub(crate) async fn serve(listener: TcpListener, app: &App, mut signals: Signals) -> Result<(), String> {
    let graceful = GracefulShutdown::new();
    let stop = async {
        signals.next().await;
        app.drain();
        // Still serving: whoever sends us traffic must first see that `/readyz` no longer says yes.
        tokio::time::sleep(app.version().config.drain_delay()).await;
    };
    tokio::select! {
        () = stop => {}
        never = accept(listener, app, &graceful) => match never {}
    }
    let (open, within) = (graceful.count(), app.version().config.drain_timeout());
    tracing::info!(open, ?within, "shutting down");
    tokio::select! {
        ended = tokio::time::timeout(within, graceful.shutdown()) => {
            ended.map_err(|_| format!("not all connections ended within {within:?}; they were cut"))
        }
        () = signals.next() => Err("a second signal came; what was under way was cut".into()),
    }
}

async fn accept(listener: TcpListener, app: &App, graceful: &GracefulShutdown) -> Infallible {
    let max_connections = app.version().config.max_connections;
    let places = Arc::new(Semaphore::new(max_connections.min(Semaphore::MAX_PERMITS)));
    loop {
        let place = places.clone().acquire_owned().await;
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let version = app.version();
        let intake = &version.config.intake;
        let (head_timeout, idle_timeout) = (intake.head_timeout(), intake.idle_timeout());
        let activity = Arc::new(Activity::default());
        let connection = connect(&server(head_timeout), stream, app.clone(), activity.clone());
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            tokio::select! {
                ended = connection => if let Err(error) = ended {
                    tracing::debug!(error, "a connection ended");
                },
                () = activity.is_over(head_timeout, idle_timeout) => tracing::debug!("an idle connection is closed"),
            }
            drop(place);
        });
    }
}

/// One connection, with its requests told to `activity`.
fn connect(
    server: &auto::Builder<TokioExecutor>,
    stream: TcpStream,
    app: App,
    activity: Arc<Activity>,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = Box<dyn std::error::Error + Send + Sync>>
+ Send
+ use<> {
    // A token is a small packet, and must not wait for the next one.
    let _ = stream.set_nodelay(true);
    let service = tower::service_fn(move |request: Request<Incoming>| {
        let (busy, method) = (activity.begin(), request.method().clone());
        let answer = app.router().oneshot(request);
        async move { Ok::<_, Infallible>(Guarded::response(&method, answer.await?, busy, ReleaseAt::End)) }
    });
    server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)).into_owned()
}

fn server(head_timeout: Duration) -> auto::Builder<TokioExecutor> {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(head_timeout).max_buf_size(HTTP1_BUFFER);
    server.http2().timer(TokioTimer::new()).keep_alive_interval(KEEP_ALIVE).keep_alive_timeout(KEEP_ALIVE);
    server
}

/// SIGTERM, as an orchestrator sends it, and SIGINT, as a terminal does.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Watches from now on, not only from the first `next`.
    pub(crate) fn watch() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
