//! Calling a server: what is spoken through, and what drives it.

use std::{error::Error, future::Future, pin::Pin, sync::Arc};

use redis::{AsyncConnectionConfig, Cmd, ConnectionAddr, RedisResult, Value, aio::MultiplexedConnection};
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::TlsConnector;

use crate::Config;

/// What commands go through. Whoever waits for an answer may leave: it comes, and goes to nobody.
#[derive(Clone)]
pub(crate) enum Line {
    One(MultiplexedConnection),
    #[cfg(feature = "cluster")]
    Cluster(redis::cluster_async::ClusterConnection),
}

/// Ends when the line does.
pub(crate) type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Line {
    pub(crate) async fn send(&self, command: &Cmd) -> RedisResult<Value> {
        match self.clone() {
            Self::One(mut line) => command.query_async(&mut line).await,
            #[cfg(feature = "cluster")]
            Self::Cluster(mut line) => command.query_async(&mut line).await,
        }
    }
}

/// By the certificates that the system trusts. Those of them that cannot be read are as if they were not there: whatever they
/// would have vouched for is refused.
pub(crate) fn system() -> Result<Arc<ClientConfig>, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions()?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// Connects, and says who we are.
pub(crate) async fn dial(
    config: &Config,
    tls: Option<&Arc<ClientConfig>>,
) -> Result<(Line, Driver), Box<dyn Error + Send + Sync>> {
    #[cfg(feature = "cluster")]
    if let Some(others) = &config.others {
        return cluster(config, others).await;
    }
    let stream: Box<dyn Stream> = match config.server.addr() {
        ConnectionAddr::Tcp(host, port) => {
            let stream = TcpStream::connect((host.as_str(), *port)).await?;
            stream.set_nodelay(true)?;
            match tls {
                Some(tls) => {
                    let host = ServerName::try_from(host.clone())?;
                    Box::new(TlsConnector::from(tls.clone()).connect(host, stream).await?)
                }
                None => Box::new(stream),
            }
        }
        ConnectionAddr::Unix(path) => Box::new(UnixStream::connect(path).await?),
        other => return Err(format!("{other} is no address that is known here").into()),
    };
    // How long an answer may take is looked at where it is waited for.
    let settings = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
    let redis = config.server.redis_settings();
    let (line, driver) = MultiplexedConnection::new_with_config(redis, stream, settings).await?;
    Ok((Line::One(line), Box::pin(driver)))
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// The client finds the nodes itself, and comes back to each that was away.
#[cfg(feature = "cluster")]
async fn cluster(
    config: &Config,
    others: &[redis::ConnectionInfo],
) -> Result<(Line, Driver), Box<dyn Error + Send + Sync>> {
    let nodes = std::iter::once(&config.server).chain(others).cloned();
    let mut client = redis::cluster::ClusterClient::builder(nodes)
        // All nodes that are named are waited for: one that is silent must leave time for the others.
        .connection_timeout(config.connect_timeout / 4)
        .response_timeout(config.timeout)
        .retries(1);
    if config.uses_tls {
        // What the client uses; if the program has chosen another, that.
        let _ = ring::default_provider().install_default();
        client = client.tls(redis::cluster::TlsMode::Secure);
    }
    let line = client.build()?.get_async_connection().await?;
    Ok((Line::Cluster(line), Box::pin(std::future::pending())))
}
