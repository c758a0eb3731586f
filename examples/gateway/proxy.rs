//! The end of the stack: the request goes to the upstream, over connections that are kept.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use http::{
    HeaderMap, HeaderName, Request, Response, StatusCode, Uri, Version, header,
    uri::{Authority, Parts, PathAndQuery, Scheme},
};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer, pki_types::pem::PemObject};
use tower::Service;

use crate::{
    config::Upstream,
    intake::Memory,
    refusal::Refusal,
    serve::{HTTP1_BUFFER, SOCKET_BUFFER},
};

/// Headers of one connection, not of the message (RFC 9110, section 7.6.1), beside those that `Connection` names.
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// How long an unused connection to the upstream is kept. Servers close theirs after five seconds (uvicorn) to minutes;
/// a request that meets a connection in that moment is sent again by the client, if nothing of it was written.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
pub(crate) struct Proxy {
    /// Each has connections of its own. Over HTTP/2 a client puts everything on one, where requests beyond the server's
    /// limit of streams wait unseen; taken in turn, several have several times as much room.
    clients: Arc<[Client<HttpsConnector<HttpConnector>, Body>]>,
    turn: Arc<AtomicUsize>,
    base: Arc<Base>,
}

/// The upstream's address, taken apart once.
#[derive(Debug)]
struct Base {
    scheme: Scheme,
    authority: Authority,
    path: String,
}

impl Proxy {
    pub(crate) fn new(upstream: &Upstream) -> Result<Self, String> {
        let (scheme, authority, path) = upstream.address()?;
        let https = connector(upstream, scheme == Scheme::HTTPS)?;
        // Over HTTP/1.1 each request has a connection to itself, and one is best that was used just now.
        let may_be_http2 = scheme == Scheme::HTTPS || upstream.http2_prior_knowledge;
        let clients = if may_be_http2 { upstream.http2_connections } else { 1 };
        let client = || {
            Client::builder(TokioExecutor::new())
                .http2_only(upstream.http2_prior_knowledge)
                .timer(TokioTimer::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(IDLE_TIMEOUT)
                .pool_max_idle_per_host(upstream.max_idle_connections.div_ceil(clients))
                .http1_max_buf_size(HTTP1_BUFFER)
                .http2_keep_alive_interval(Duration::from_secs(30))
                .http2_adaptive_window(true)
                .build(https.clone())
        };
        Ok(Self {
            clients: std::iter::repeat_with(client).take(clients).collect(),
            turn: Arc::default(),
            base: Arc::new(Base { scheme, authority, path }),
        })
    }

    /// The same request, addressed to the upstream.
    fn forward(&self, request: &mut Request<Body>) -> Result<(), http::Error> {
        let path = match (request.uri().path_and_query(), &*self.base.path) {
            (Some(path), "") => path.clone(),
            (path, base) => format!("{base}{}", path.map_or("/", PathAndQuery::as_str)).try_into()?,
        };
        let mut parts = Parts::default();
        parts.scheme = Some(self.base.scheme.clone());
        parts.authority = Some(self.base.authority.clone());
        parts.path_and_query = Some(path);
        *request.uri_mut() = Uri::from_parts(parts)?;
        // The client sets `Host` from the address; the version is the connection's.
        request.headers_mut().remove(header::HOST);
        *request.version_mut() = Version::HTTP_11;
        remove_hop_by_hop(request.headers_mut());
        Ok(())
    }
}

impl Service<Request<Body>> for Proxy {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    /// The client opens connections as it needs them.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let refusal = Refusal::of(&request, StatusCode::BAD_GATEWAY, "");
        let memory: Option<Memory> = request.extensions_mut().remove();
        // Relaxed: any order of turns will do.
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let client = &self.clients[turn % self.clients.len()];
        let answer = self.forward(&mut request).map(|()| client.request(request));
        Box::pin(async move {
            // Until there is an answer: the upstream has the body by then.
            let _memory = memory;
            // The causes are for the log: they name addresses that are nobody else's business.
            let why = match answer {
                Ok(answer) => match answer.await {
                    // Nobody asked for another protocol: `Upgrade` is not forwarded.
                    Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                        "the upstream switched protocols unasked"
                    }
                    Ok(mut response) => {
                        remove_hop_by_hop(response.headers_mut());
                        *response.version_mut() = Version::HTTP_11;
                        return Ok(response.map(Body::new));
                    }
                    Err(error) => {
                        tracing::warn!(cause = chain(&error), "no answer from the upstream");
                        if error.is_connect() {
                            let why = "the upstream cannot be reached".into();
                            let mut answer = Refusal { why, ..refusal }.into_response();
                            answer.extensions_mut().insert(Unreachable);
                            return Ok(answer);
                        }
                        "the upstream gave no answer"
                    }
                },
                Err(error) => {
                    tracing::warn!(%error, "a request cannot be forwarded");
                    "the request cannot be forwarded"
                }
            };
            Ok(Refusal { why: why.into(), ..refusal }.into_response())
        })
    }
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    if !headers.keys().any(|name| HOP_BY_HOP.contains(name)) {
        return;
    }
    // Whoever states both means the encoding (RFC 9112, section 6.3), and the length must not outlive it.
    if headers.contains_key(header::TRANSFER_ENCODING) {
        headers.remove(header::CONTENT_LENGTH);
    }
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// Beside an answer of ours: no connection to the upstream could be opened, so that nothing of the request was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unreachable;

/// Opens connections; `needs_tls` if some of them are to be https.
pub(crate) fn connector(
    upstream: &Upstream,
    needs_tls: bool,
) -> Result<HttpsConnector<HttpConnector>, String> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_recv_buffer_size(Some(SOCKET_BUFFER as usize));
    http.set_connect_timeout(Some(upstream.connect_timeout()));
    let https = HttpsConnectorBuilder::new().with_tls_config(tls(upstream, needs_tls)?);
    Ok(https.https_or_http().enable_all_versions().wrap_connector(http))
}

fn tls(upstream: &Upstream, needed: bool) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS: {error}"))?;
    if let Some(path) = &upstream.ca_file {
        let wrong = |why: &dyn std::fmt::Display| format!("upstream.ca_file = {}: {why}", path.display());
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(path).map_err(|error| wrong(&error))? {
            roots.add(certificate.map_err(|error| wrong(&error))?).map_err(|error| wrong(&error))?;
        }
        if roots.is_empty() {
            return Err(wrong(&"holds no certificate"));
        }
        return Ok(builder.with_root_certificates(roots).with_no_client_auth());
    }
    if needed {
        let builder = builder.with_native_roots().map_err(|error| {
            format!("the system's certificate authorities cannot be read ({error}): install ca-certificates, or set upstream.ca_file")
        })?;
        return Ok(builder.with_no_client_auth());
    }
    // Never used, but the connector wants one; a machine without certificates can still serve an http:// upstream.
    Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

/// An error with its causes: the outermost alone says little.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
