//! A tonic service behind an adaptive limit, whose calls hold their slots until their streams end, not until their heads:
//! `cargo run --example tonic_limit`.
//!
//! Here the limit is one, so that it can be seen: while the health service's `Watch` stream is open, another call is
//! refused with `UNAVAILABLE`, although the stream's head went out long ago.
#![allow(clippy::print_stdout, reason = "an example that prints what it shows")]

use std::error::Error;

use dashpot::limit::{LimitLayer, policy::LittlesLaw};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Channel, Server};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let limit = LimitLayer::with_policy(LittlesLaw::new().max(1));
    let handle = limit.handle();

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (_reporter, health) = tonic_health::server::health_reporter();
    let server = Server::builder()
        .layer(limit)
        .add_service(health)
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(server);

    let channel = Channel::from_shared(format!("http://{address}"))?.connect().await?;
    let mut client = HealthClient::new(channel);
    let mut watch = client.watch(HealthCheckRequest::default()).await?.into_inner();
    println!("first message: {:?}", watch.message().await?);
    println!("calls in flight while the stream is open: {}", handle.stats().in_flight);

    let refused = client.check(HealthCheckRequest::default()).await.err().ok_or("it should be refused")?;
    println!("a second call meanwhile: {:?}, {}", refused.code(), refused.message());

    drop(watch);
    while handle.stats().in_flight > 0 {
        tokio::task::yield_now().await;
    }
    println!("calls in flight when the client has left: {}", handle.stats().in_flight);
    client.check(HealthCheckRequest::default()).await?;
    println!("a call after that: answered");
    Ok(())
}
