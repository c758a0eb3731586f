//! A tonic client behind a circuit breaker: `cargo run --example tonic_breaker`.
//!
//! The server is not there at first. Three calls fail, and then none is made: the breaker answers `UNAVAILABLE` itself, and
//! says when it will try again. Once the server is there, one probe goes through, then more, then all calls.
#![allow(clippy::print_stdout, reason = "an example that prints what it shows")]

use std::{error::Error, time::Duration};

use dashpot::breaker::BreakerLayer;
use tokio::{net::TcpListener, time::sleep};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Endpoint, Server};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tower::ServiceBuilder;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let breaker = BreakerLayer::new()
        .consecutive_failures(3)
        .wait(Duration::from_millis(500), Duration::from_secs(5))
        .ramp(Duration::from_secs(1));
    let handle = breaker.handle();

    // Somebody had this address, and is gone.
    let address = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    let channel = Endpoint::from_shared(format!("http://{address}"))?.connect_lazy();
    let mut client = HealthClient::new(ServiceBuilder::new().layer(breaker).service(channel));

    for call in 1..=4 {
        let status = client.check(HealthCheckRequest::default()).await.err().ok_or("there is no server")?;
        println!("call {call}: {:?}, {}", status.code(), status.message());
    }
    println!("the breaker: {:?}, {:?} to go", handle.stats().state, handle.stats().open_for);

    let (_reporter, health) = tonic_health::server::health_reporter();
    let listener = TcpListener::bind(address).await?;
    tokio::spawn(Server::builder().add_service(health).serve_with_incoming(TcpListenerStream::new(listener)));
    let (mut answered, mut refused) = (0, 0);
    while answered < 20 {
        match client.check(HealthCheckRequest::default()).await {
            Ok(_) => answered += 1,
            Err(_) => refused += 1,
        }
        sleep(Duration::from_millis(100)).await;
    }
    println!("with a server: {answered} answered, {refused} refused on the way back");
    println!("the breaker: {:?}", handle.stats().state);
    Ok(())
}
