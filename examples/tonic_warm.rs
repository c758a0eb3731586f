//! A tonic client whose server is started when it is called, and stopped when nobody calls: `cargo run --example tonic_warm`.
//!
//! Five calls come at once while there is no server. One start is made for all of them, a first call is made to see that
//! it works, and then they go through. Half a second after the last the server is stopped; the next call starts it again.
#![allow(clippy::print_stdout, reason = "an example that prints what it shows")]

use std::{
    error::Error,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use dashpot::warm::{
    WarmLayer, WarmState,
    policy::Fixed,
    starter::{Functions, StartError},
};
use tokio::{net::TcpListener, task::AbortHandle};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Endpoint, Server};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tower::ServiceBuilder;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    let channel = Endpoint::from_shared(format!("http://{address}"))?.connect_lazy();
    let warm =
        WarmLayer::new(starter(address, channel.clone())).policy(Fixed::new(Duration::from_millis(500)));
    let handle = warm.handle();
    let client = HealthClient::new(ServiceBuilder::new().layer(warm).service(channel));

    let calls: Vec<_> = (0..5)
        .map(|_| {
            let mut client = client.clone();
            tokio::spawn(async move { client.check(HealthCheckRequest::default()).await })
        })
        .collect();
    for call in calls {
        call.await??;
    }
    let stats = handle.stats();
    println!("{} calls waited for {} start", stats.held, stats.starts);

    let mut states = handle.subscribe();
    while states.state() != WarmState::Cold {
        states.changed().await.ok_or("it should become cold")?;
    }
    println!("nobody calls: {}", handle.state());
    client.clone().check(HealthCheckRequest::default()).await?;
    println!("a call after that: answered, {} starts in all", handle.stats().starts);
    Ok(())
}

/// A server in this program, so that the example needs no other; yours would be a `Process`.
fn starter(address: SocketAddr, channel: tonic::transport::Channel) -> Functions {
    let running: Arc<Mutex<Option<AbortHandle>>> = Arc::default();
    let stopped = running.clone();
    let take = move |running: &Mutex<Option<AbortHandle>>, new| {
        let mut running = running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = std::mem::replace(&mut *running, new) {
            old.abort();
        }
    };
    Functions::new(move |_| {
        let running = running.clone();
        async move {
            let listener = TcpListener::bind(address).await?;
            let (_reporter, health) = tonic_health::server::health_reporter();
            let server = Server::builder().add_service(health);
            let task = tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
            take(&running, Some(task.abort_handle()));
            Ok::<_, StartError>(())
        }
    })
    .prime(move |_| {
        let mut client = HealthClient::new(channel.clone());
        async move {
            client.check(HealthCheckRequest::default()).await?;
            Ok(())
        }
    })
    .stop(move |_| {
        take(&stopped, None);
        async { Ok(()) }
    })
}
