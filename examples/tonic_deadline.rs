//! A tonic service behind a deadline, which its streams keep to the end, and not only until their heads:
//! `cargo run --example tonic_deadline`.
//!
//! The health service's `Watch` stream never ends by itself. Here it is over when the service's own time is, or before
//! that when the caller's is, which tonic's clients state in `grpc-timeout`; trailers say so.
#![allow(clippy::print_stdout, reason = "an example that prints what it shows")]

use std::{error::Error, time::Duration};

use dashpot::deadline::DeadlineLayer;
use tokio::time::Instant;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    Request,
    transport::{Channel, Server},
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (_reporter, health) = tonic_health::server::health_reporter();
    let server = Server::builder()
        .layer(DeadlineLayer::new().total(Duration::from_millis(600)))
        .add_service(health)
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(server);

    let channel = Channel::from_shared(format!("http://{address}"))?.connect().await?;
    let mut client = HealthClient::new(channel);
    for timeout in [None, Some(Duration::from_millis(200)), Some(Duration::from_secs(3600))] {
        let mut request = Request::new(HealthCheckRequest::default());
        if let Some(timeout) = timeout {
            // The header alone: a client's own timer would be as fast as the service.
            request.metadata_mut().insert("grpc-timeout", format!("{}m", timeout.as_millis()).parse()?);
        }
        let asked = Instant::now();
        let mut watch = client.watch(request).await?.into_inner();
        let first = watch.message().await?.is_some();
        let end = watch.message().await.err().ok_or("the stream should not end by itself")?;
        let after = Instant::now().saturating_duration_since(asked).as_millis() / 100 * 100;
        println!("asked for {timeout:?}: a message: {first}, then {:?} after {after} ms", end.code());
    }
    Ok(())
}
