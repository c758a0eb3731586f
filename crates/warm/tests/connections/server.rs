//! A server at the other end of a pipe, with TLS if wanted, that counts connections and can close them.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    io,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Method, Request, Response, Uri};
use http_body_util::Full;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::connect::{Connected, Connection},
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::{io::DuplexStream, sync::Notify, task::AbortHandle};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{self, pki_types::PrivateKeyDer},
};
use tower::{Service, service_fn};

#[derive(Clone, Default)]
pub(crate) struct Server {
    accepted: Arc<AtomicUsize>,
    pings: Arc<AtomicUsize>,
    /// Refuses connections.
    pub(crate) is_down: Arc<AtomicBool>,
    /// Answers no ping.
    pub(crate) is_stuck: Arc<AtomicBool>,
    /// Lets the answers to `/slow` go.
    pub(crate) go: Arc<Notify>,
    tls: Option<TlsAcceptor>,
    open: Arc<Mutex<Vec<AbortHandle>>>,
}

impl Server {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// With a certificate of its own, and who trusts it.
    pub(crate) fn with_tls(protocols: &[&str]) -> (Self, HttpsConnector<Self>) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["gpu".to_owned()]).expect("it can be signed");
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("it is a key");
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(ring.clone())
            .with_safe_default_protocol_versions()
            .expect("it has them")
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .expect("they belong together");
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let server = Self { tls: Some(TlsAcceptor::from(Arc::new(config))), ..Self::default() };

        let mut trusted = rustls::RootCertStore::empty();
        trusted.add(cert.der().clone()).expect("it is one");
        let config = rustls::ClientConfig::builder_with_provider(ring)
            .with_safe_default_protocol_versions()
            .expect("it has them")
            .with_root_certificates(trusted)
            .with_no_client_auth();
        let https = HttpsConnectorBuilder::new().with_tls_config(config).https_only().enable_all_versions();
        (server.clone(), https.wrap_connector(server))
    }

    /// Connections, in all.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(SeqCst)
    }

    /// Answers to `HEAD`, in all.
    pub(crate) fn pings(&self) -> usize {
        self.pings.load(SeqCst)
    }

    /// Closes so many of the connections that are open, without a word.
    pub(crate) fn close(&self, many: usize) {
        let mut open = self.open.lock().unwrap();
        open.retain(|connection| !connection.is_finished());
        assert!(many <= open.len(), "{} are open", open.len());
        open.drain(..many).for_each(|connection| connection.abort());
    }

    async fn serve(self, io: DuplexStream) {
        let server = self.clone();
        let service = hyper_util::service::TowerToHyperService::new(service_fn(move |request| {
            server.clone().answer(request)
        }));
        let builder = auto::Builder::new(TokioExecutor::new());
        // An error is a client that has gone.
        match self.tls {
            Some(tls) => {
                let Ok(io) = tls.accept(io).await else { return };
                let _ = builder.serve_connection(TokioIo::new(io), service).await;
            }
            None => {
                let _ = builder.serve_connection(TokioIo::new(io), service).await;
            }
        }
    }

    async fn answer<B>(self, request: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
        if request.method() == Method::HEAD {
            if self.is_stuck.load(SeqCst) {
                std::future::pending::<()>().await;
            }
            self.pings.fetch_add(1, SeqCst);
        }
        if request.uri().path() == "/slow" {
            self.go.notified().await;
        }
        Ok(Response::new(Full::from("hi")))
    }
}

impl Service<Uri> for Server {
    type Response = Pipe;
    type Error = io::Error;
    type Future = Ready<io::Result<Pipe>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        self.accepted.fetch_add(1, SeqCst);
        if self.is_down.load(SeqCst) {
            return ready(Err(io::ErrorKind::ConnectionRefused.into()));
        }
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let task = tokio::spawn(self.clone().serve(theirs));
        self.open.lock().unwrap().push(task.abort_handle());
        ready(Ok(Pipe(TokioIo::new(ours))))
    }
}

pub(crate) struct Pipe(TokioIo<DuplexStream>);

impl Read for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl Write for Pipe {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl Connection for Pipe {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}
