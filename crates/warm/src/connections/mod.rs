//! Connections that are open before anybody needs them.
//!
//! The first request to an upstream pays for a TCP and a TLS handshake: two or three round trips that are no part of its
//! answer. [`Connections`] opens some before, with a client of yours, pings them so that neither side takes them for
//! idle, and opens those anew that the other side has closed.
//!
//! ```no_run
//! use bytes::Bytes;
//! use dashpot_warm::{WarmLayer, connections::Connections, starter::{Functions, StartError}};
//! use http_body_util::Full;
//! use hyper_util::{client::legacy::{Client, connect::HttpConnector}, rt::TokioExecutor};
//!
//! # async fn run() {
//! let connections = Connections::new("http://gpu:8000/health".parse().unwrap(), 4);
//! let connector = connections.connector(HttpConnector::new());
//! let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
//! let preconnect = connections.keep::<_, Full<Bytes>, _>(client.clone());
//!
//! // Part of each start: the first request finds them open.
//! let starter = Functions::new(|_| async { Ok::<_, StartError>(()) });
//! let layer = WarmLayer::new(preconnect.around(starter));
//! // Or by itself: preconnect.open().await
//! # }
//! ```
//!
//! A connection is counted from the connector's call until it is dropped, so what is open is known and not guessed. Pings,
//! and what opens connections, are requests like others, `HEAD` if nothing else is said; all go at once, since a pool
//! would else give the same connection to each. None of them ever opens a connection above the number that was asked for:
//! where all are in use it is refused, by the connector, and traffic goes on. Requests of users open as many as they need.
//!
//! With HTTP/2 one connection carries all, and no second is opened; more than one may be asked for so that a new one has
//! room while an old one drains. For its own pings, which find a dead connection sooner, see `http2_keep_alive_interval`
//! and `http2_keep_alive_while_idle` of hyper-util's client.
//!
//! The client has to connect in the task that asks it, as hyper-util's does: one behind a `Buffer` connects elsewhere, and
//! its pings may open connections as users do.

mod connector;
mod count;
mod keeper;
mod preconnect;
mod starter;

pub use connector::{Connecting, Connector, Counted, NoRoom};
pub use preconnect::{Connections, Preconnect, Stats};
pub use starter::Preconnected;
