//! A tonic service whose calls are counted until their streams end, not until their heads: `cargo run --example tonic_limit`.
//!
//! The guard of `dashpot::body` is what a limit holds on to. Here it only counts, so that the difference can be seen:
//! while the health service's `Watch` stream is open, its call is in flight, although its head went out long ago.
#![allow(clippy::print_stdout, reason = "an example that prints what it shows")]

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use dashpot::body::{End, Guard, Guarded, ReleaseAt};
use http::Response;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Channel, Server};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tower::util::MapFutureLayer;

/// One call in flight; counted out when it is dropped, whatever ended it.
#[derive(Debug)]
struct Call(Arc<AtomicUsize>);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let in_flight = Arc::new(AtomicUsize::new(0));
    let counted = in_flight.clone();
    let count = MapFutureLayer::new(move |answer| {
        let call = Call::begin(&counted);
        hold(call, answer)
    });

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (_reporter, health) = tonic_health::server::health_reporter();
    let server = Server::builder()
        .layer(count)
        .add_service(health)
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(server);

    let channel = Channel::from_shared(format!("http://{address}"))?.connect().await?;
    let mut client = HealthClient::new(channel);
    let mut watch = client.watch(HealthCheckRequest::default()).await?.into_inner();
    println!("first message: {:?}", watch.message().await?);
    println!("calls in flight while the stream is open: {}", in_flight.load(Ordering::SeqCst));
    drop(watch);
    while in_flight.load(Ordering::SeqCst) > 0 {
        tokio::task::yield_now().await;
    }
    println!("calls in flight when the client has left: {}", in_flight.load(Ordering::SeqCst));
    Ok(())
}

/// Moves the call into the body of its answer.
async fn hold<B, E>(
    call: Call,
    answer: impl Future<Output = Result<Response<B>, E>>,
) -> Result<Response<Guarded<B, Call>>, E>
where
    B: http_body::Body,
{
    Ok(answer.await?.map(|body| Guarded::new(body, call, ReleaseAt::End)))
}

impl Call {
    fn begin(in_flight: &Arc<AtomicUsize>) -> Self {
        in_flight.fetch_add(1, Ordering::SeqCst);
        Self(in_flight.clone())
    }
}

impl Guard for Call {
    fn end(self, _: End) {}
}

impl Drop for Call {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
