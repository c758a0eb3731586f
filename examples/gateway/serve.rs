//! Accepts connections, and ends them in order.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::Request;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpSocket},
    signal::unix::{SignalKind, signal},
    sync::Semaphore,
};
use tower::ServiceExt;

use crate::{app::App, config::Config};

/// After a failed accept, as when file descriptors run out, a pause instead of a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A peer on HTTP/2 that does not answer a ping for so long is gone.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// How many connections the kernel may hold for us: when thousands of clients come at once, one that finds no place
/// tries again only after a second.
const BACKLOG: u32 = 4096;

/// Listens on `address`.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A gateway that is started again must not wait for the connections of the last one to be forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until `shutdown` is ready, then lets what is under way end, for as long as the configuration allows.
pub(crate) async fn serve(
    listener: TcpListener,
    app: App,
    config: &Config,
    shutdown: impl Future<Output = ()>,
) -> Result<(), String> {
    let head_timeout = config.intake.head_timeout();
    let server = server(head_timeout);
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(config.max_connections.min(Semaphore::MAX_PERMITS)));
    let mut stop = std::pin::pin!(async {
        shutdown.await;
        app.drain();
        // Still serving: whoever sends us traffic must first see that `/readyz` no longer says yes.
        tokio::time::sleep(config.drain_delay()).await;
    });
    loop {
        let next = async {
            let place = places.clone().acquire_owned().await;
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            next = next => next,
            () = &mut stop => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // A token is a small packet, and must not wait for the next one.
        let _ = stream.set_nodelay(true);
        let heard = Arc::new(AtomicBool::new(false));
        let service = {
            let heard = heard.clone();
            app.router.clone().map_request(move |request: Request<_>| {
                heard.store(true, Ordering::Relaxed);
                request
            })
        };
        let connection = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        let connection = graceful.watch(connection.into_owned());
        tokio::spawn(async move {
            tokio::select! {
                ended = connection => if let Err(error) = ended {
                    tracing::debug!(error, "connection ended");
                },
                () = silence(head_timeout, &heard) => tracing::debug!("connection cut: no request came"),
            }
            drop(place);
        });
    }
    drop(listener);
    let (open, within) = (graceful.count(), config.drain_timeout());
    tracing::info!(open, ?within, "shutting down");
    tokio::time::timeout(within, graceful.shutdown())
        .await
        .map_err(|_| format!("not all connections ended within {within:?}; they were cut"))
}

/// Ready at SIGTERM, as an orchestrator sends it, or SIGINT, as a terminal does. Watched for from now on, not only from
/// the first poll.
pub(crate) fn shutdown_signal() -> io::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

fn server(head_timeout: Duration) -> auto::Builder<TokioExecutor> {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(head_timeout);
    server.http2().timer(TokioTimer::new()).keep_alive_interval(KEEP_ALIVE).keep_alive_timeout(KEEP_ALIVE);
    server
}

/// Ready after `timeout` if no request has come by then, else never. Hyper's own bound on the head begins only once it
/// knows the version of HTTP, for which it would wait for ever.
async fn silence(timeout: Duration, heard: &AtomicBool) {
    tokio::time::sleep(timeout).await;
    if heard.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
}
